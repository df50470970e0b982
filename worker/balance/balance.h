/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which peer of an upstream gets a request. One file an algorithm, each ending in a const struct
 * balance_ops and named by one row of the table in balance.c. What workers have to agree on lies in
 * shared memory (shm/health.h): a position, who is up, what is in flight, how fast it answers; a
 * balancer itself is made once for each set of peers and never changes: another set, another
 * balancer.
 */
#ifndef BALANCE_BALANCE_H
#define BALANCE_BALANCE_H

#include "worker/base/fitness.h"

enum { BALANCE_TRIES_KEPT = 6, BALANCE_WHOLE = 1024 };

/* A request as an algorithm sees it. Zeroed at its begin, then kept over its tries. */
struct balance_query {
    int64_t now;      /* CLOCK_MONOTONIC ms */
    int64_t real;     /* ms since 1970 */
    bool no_trials;   /* peers that wait for a trial are none, see worker/base/fitness.h */
    bool any_place;   /* peers are as good without a place */
    bool keyed;       /* `key` means something */
    uint64_t key;     /* what consistent-hashing hashes, hashed: balance_hash() */
    uint64_t tried;   /* bit i: the peer at position i of the set was tried already */
    uint64_t version; /* of that set; 0: none was tried */
    uint32_t tries;
    uint64_t identities[BALANCE_TRIES_KEPT]; /* of the last tries, whatever set they were in */
};

struct balance_ops {
    const char *name; /* as configured: "round-robin" */
    /* What picks need, for a set that has peers; NULL: no memory. Both arguments outlive it. */
    void *(*make)(const struct peer_set *set, const struct heritage *h);
    /* One of the peers that balance_may_take() allows; NULL: there is none. */
    struct peer *(*pick)(void *state, const struct balance_query *q);
    void (*free)(void *state);
};

extern const struct balance_ops round_robin_ops, least_connections_ops, consistent_hashing_ops,
    latency_ops;

struct balancer;

/* A balancer for a set of peers, in the calling worker; `set` and `h` have to outlive it. NULL: no
 * memory. */
struct balancer *balance_make(const struct peer_set *set, const struct heritage *h);
void balance_free(struct balancer **balancer);

/* A peer that may be used (fitness_may_use), of positive weight, with a place left, and not tried
 * yet for this request; of those the ones of the lowest tier. When all were tried, one of them
 * again, but the one that was tried last only when there is no other. NULL: there is none. */
struct peer *balance_pick(struct balancer *b, const struct balance_query *q);

/* Notes that a peer was tried. Beyond the first 64 peers of a set, and when the set has become
 * another one meanwhile, only the last BALANCE_TRIES_KEPT are known. */
void balance_tried(struct balancer *b, struct balance_query *q, const struct peer *peer);

/* The key of `n` bytes: the same in all processes and versions. */
uint64_t balance_hash(const void *bytes, size_t n);

/* --- for algorithms ------------------------------------------------------------------------- */

bool balance_was_tried(const struct peer *p, const struct balance_query *q);

/* Whether there is a place for one more, over all workers. */
static inline bool balance_has_place(const struct peer *p)
{
    return p->max_connections == 0 ||
           health_tally_sum(&p->tally) < (uint64_t)(unsigned)p->max_connections;
}

static inline bool balance_may_take(const struct peer *p, const struct balance_query *q)
{
    return p->weight > 0 && !((q->tries || q->tried) && balance_was_tried(p, q)) &&
           fitness_may_use(p, q->no_trials ? 0 : q->now) && (q->any_place || balance_has_place(p));
}

/* The part of its weight that counts now, of BALANCE_WHOLE, never 0: what is new or has recovered
 * starts slowly. */
uint32_t balance_ease(const struct peer *p, const struct balance_query *q);
static inline uint32_t balance_share(const struct peer *p, const struct balance_query *q)
{
    return p->upstream->slow_start > 0 ? balance_ease(p, q) : BALANCE_WHOLE;
}

/* xorshift: *state is never 0. */
static inline uint64_t balance_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}
static inline uint64_t balance_seed(const struct heritage *h)
{
    return (h->slot + 1) * UINT64_C(0x9e3779b97f4a7c15) | 1;
}
static inline uint64_t balance_mix(uint64_t h)
{
    h = (h ^ h >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    h = (h ^ h >> 27) * UINT64_C(0x94d049bb133111eb);
    return h ^ h >> 31;
}

/* Whether a request passes by a peer that starts slowly, although it would be the best: as often as
 * the part of its weight says that does not count yet. `luck` is the request's, or its place in the
 * order, which all workers share: several looks are no more chances. */
static inline bool balance_given_up(const struct peer *p, const struct balance_query *q,
                                    uint64_t luck)
{
    return p->upstream->slow_start > 0 &&
           balance_mix(luck ^ p->identity) % BALANCE_WHOLE >= balance_ease(p, q);
}

#endif
