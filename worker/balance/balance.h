/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which peer of an upstream gets a request. One file an algorithm, each ending in a const struct
 * balance_ops and named by one row of the table in balance.c. What workers have to agree on lies in
 * shared memory (shm/health.h): a position, who is up, what is in flight; a balancer itself is made
 * once for each set of peers and never changes: another set, another balancer.
 */
#ifndef BALANCE_BALANCE_H
#define BALANCE_BALANCE_H

#include "worker/base/fitness.h"

enum { BALANCE_TRIES_KEPT = 6 };

/* A request as an algorithm sees it. Zeroed at its begin, then kept over its tries. */
struct balance_query {
    int64_t now;      /* CLOCK_MONOTONIC ms; 0: peers that wait for a trial are none, see
                         worker/base/fitness.h */
    uint64_t tried;   /* bit i: the peer at position i of the set was tried already */
    uint64_t version; /* of that set; 0: none was tried */
    uint32_t tries;
    uint64_t identities[BALANCE_TRIES_KEPT]; /* of the last tries, whatever set they were in */
};

struct balance_ops {
    const char *name; /* as configured: "round-robin" */
    /* What picks need, for a set that has peers; NULL: no memory. Both arguments outlive it. */
    void *(*make)(const struct peer_set *set, const struct heritage *h);
    /* See balance_pick(). */
    struct peer *(*pick)(void *state, const struct balance_query *q);
    void (*free)(void *state);
};

extern const struct balance_ops round_robin_ops;

struct balancer;

/* A balancer for a set of peers, in the calling worker; `set` and `h` have to outlive it. NULL: no
 * memory. */
struct balancer *balance_make(const struct peer_set *set, const struct heritage *h);
void balance_free(struct balancer **balancer);

/* A peer that may be used (fitness_may_use), of positive weight, and was not tried yet for this
 * request; when all such were tried, one of them again. NULL: there is none: 503. */
struct peer *balance_pick(struct balancer *b, struct balance_query *q);

/* Notes that a peer was tried. Only the first 64 peers of a set can be told apart from those not
 * tried; when the set has become another one meanwhile, only the last tries are known. */
void balance_tried(struct balancer *b, struct balance_query *q, const struct peer *peer);

#endif
