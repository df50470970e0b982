/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps the addresses of all names that targets and services have in the roster, for all processes:
 * asked for when the process starts, and again when an answer has run out. Its work is done in the
 * loop of the process.
 */
#ifndef CHECKER_RESOLVER_H
#define CHECKER_RESOLVER_H

#include "worker/base/heritage.h"
#include "worker/base/loop.h"

struct resolver;

/* Asks for what has no good answer yet at once. NULL: no memory. Both arguments outlive it. */
struct resolver *resolver_make(const struct heritage *heritage, struct loop *loop);
/* The last memory goes at the end of the loop's turn. */
void resolver_end(struct resolver **resolver);

#endif
