/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long a peer keeps idle connections, as it has shown: by Keep-Alive: timeout=N in its
 * responses, or by closing several at the same age. One that is nearly as old is not used again.
 * Pure: ages and times are arguments, ms.
 */
#ifndef WORKER_AGEING_H
#define WORKER_AGEING_H

#include "worker/base/peers.h"
#include "worker/base/slice.h"

/* An idle connection was closed by the peer at this age; `now`: any steady clock. */
void ageing_closed(struct peer_ageing *a, int64_t age, int64_t now);
/* What a response's Keep-Alive says; other words than timeout mean nothing. */
void ageing_said(struct peer_ageing *a, struct slice keep_alive);
/* The age up to which a connection may be used; INT64_MAX: nothing is known. */
int64_t ageing_limit(const struct peer_ageing *a, int64_t now);

#endif
