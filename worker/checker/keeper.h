/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps the keys of issuers: fetches their JWK sets when they are due, or when a worker lacks a
 * key, and publishes them for all (shm/jwks.h). Its work is done in the loop of the process.
 */
#ifndef CHECKER_KEEPER_H
#define CHECKER_KEEPER_H

#include "worker/base/heritage.h"
#include "worker/base/loop.h"

struct keeper;

/* NULL: no memory. Both arguments outlive it. */
struct keeper *keeper_make(const struct heritage *heritage, struct loop *loop);
void keeper_end(struct keeper **keeper);

#endif
