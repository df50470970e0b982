/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which peer of an upstream gets a request. One file an algorithm, each ending in a const struct
 * balance_ops and named by one row of the table in balance.c. What workers have to agree on lies in
 * shared memory (shm/health.h): a position, who is up, what is in flight; a balancer itself is made
 * once a worker and never changes.
 */
#ifndef BALANCE_BALANCE_H
#define BALANCE_BALANCE_H

#include "worker/base/heritage.h"

/* A request as an algorithm sees it. Zeroed at its begin, then kept over its tries. */
struct balance_query {
    uint64_t tried; /* bit i: the peer at position i of the upstream was tried already; see
                       balance_tried() */
};

struct balance_ops {
    const char *name; /* as configured: "round-robin" */
    /* What picks need, for upstream `u`, which has peers; NULL: no memory. Both arguments outlive
     * it. */
    void *(*make)(const struct conf_upstream *u, const struct heritage *h);
    /* See balance_pick(). */
    const struct conf_peer *(*pick)(void *state, const struct balance_query *q);
    void (*free)(void *state);
};

extern const struct balance_ops round_robin_ops;

struct balancer;

/* A balancer for an upstream, in the calling worker; `u` and `h` have to outlive it. NULL: no
 * memory. */
struct balancer *balance_make(const struct conf_upstream *u, const struct heritage *h);
void balance_free(struct balancer **balancer);

/* A peer that is up, of positive weight, and was not tried yet for this request; when all such were
 * tried, one of them again. NULL: none is up (or there is none): 503. */
const struct conf_peer *balance_pick(struct balancer *b, const struct balance_query *q);

/* Notes that a peer was tried. Only the first 64 peers of an upstream can be told apart from those
 * not tried. */
void balance_tried(struct balance_query *q, const struct conf_peer *peer);

#endif
