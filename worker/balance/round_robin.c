/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Smooth weighted round-robin over all workers. The order of one whole cycle is computed at start
 * and is the same in every worker; what they share is one counter, the position in it, so that any
 * number of workers together serve exactly the weights. A peer that may not be used now is taken
 * out of the sequence rather than replaced by its neighbour: the position moves on to the next
 * usable entry, which leaves the others their shares among themselves. A further try of a request
 * takes no turn: of two peers it would always take the good one's, and each next request would
 * begin with the one that fails. Each worker counts such tries by themselves, as many may come at
 * once.
 */
#include "shm/assert.h"
#include "shm/health.h"
#include "worker/balance/balance.h"
#include "worker/base/log.h"
#include <stdlib.h>
#include <string.h>

enum { CYCLE_MAX = 65536 };     /* entries; heavier weights are scaled down to it */
enum { LAY_OUT_MAX = 1 << 20 }; /* steps */

struct entry {
    uint32_t peer; /* position in the set */
    uint32_t run; /* how many entries from here on name the same peer, up to the end of the cycle */
};

struct round_robin {
    const struct peer_set *set;
    _Atomic uint64_t *turn; /* in shared memory, or `own` when there is no row */
    _Atomic uint64_t own;
    uint64_t again; /* the position of further tries, this worker's */
    struct entry *cycle;
    uint64_t cycle_n; /* 0: no peer has a weight */
};

/* --- the cycle ------------------------------------------------------------------------------ */

static int64_t gcd(int64_t a, int64_t b)
{
    while (b) {
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* The entries that each peer has in a cycle; their sum is returned. */
static uint64_t shares(const struct peer_set *set, int64_t *share)
{
    int64_t divisor = 0, sum = 0;
    uint64_t n = 0;
    for (size_t i = 0; i < set->n; i++) {
        divisor = gcd(set->v[i]->weight, divisor);
        sum += set->v[i]->weight;
    }
    for (size_t i = 0; i < set->n; i++) {
        int64_t weight = set->v[i]->weight;
        share[i] = weight ? weight / divisor : 0;
        if (weight && sum / divisor > CYCLE_MAX)
            share[i] = weight * CYCLE_MAX / sum + 1; /* never none */
        n += (uint64_t)share[i];
    }
    return n;
}

/* Each step every peer earns its share, and the richest pays for all: nobody waits longer than its
 * share demands. */
static void lay_out(struct round_robin *rr, const int64_t *share, int64_t *credit)
{
    size_t peers = rr->set->n;
    for (uint64_t step = 0; step < rr->cycle_n; step++) {
        size_t richest = 0;
        for (size_t i = 0; i < peers; i++) {
            credit[i] += share[i];
            if (credit[i] > credit[richest])
                richest = i;
        }
        credit[richest] -= (int64_t)rr->cycle_n;
        rr->cycle[step].peer = (uint32_t)richest;
    }
}

/* That takes peers x entries steps, too many for a large set that is made while requests wait.
 * There each turn of a peer is put where it is due, in the middle of its part of the cycle:
 * counted first by the place that it falls on, then laid out in that order. */
static bool lay_out_large(struct round_robin *rr, const int64_t *share)
{
    uint64_t n = rr->cycle_n;
    uint32_t *next = calloc(n + 1, sizeof(*next));
    if (!next)
        return false;
    for (size_t i = 0; i < rr->set->n; i++)
        for (int64_t k = 0; k < share[i]; k++)
            next[(uint64_t)(2 * k + 1) * n / (uint64_t)(2 * share[i]) + 1]++;
    for (uint64_t i = 0; i < n; i++)
        next[i + 1] += next[i];
    for (size_t i = 0; i < rr->set->n; i++)
        for (int64_t k = 0; k < share[i]; k++)
            rr->cycle[next[(uint64_t)(2 * k + 1) * n / (uint64_t)(2 * share[i])]++].peer =
                (uint32_t)i;
    free(next);
    return true;
}

static void count_runs(struct round_robin *rr)
{
    for (uint64_t i = rr->cycle_n; i-- > 0;) {
        bool same = i + 1 < rr->cycle_n && rr->cycle[i].peer == rr->cycle[i + 1].peer;
        rr->cycle[i].run = same ? rr->cycle[i + 1].run + 1 : 1;
    }
}

static bool make_cycle(struct round_robin *rr)
{
    size_t peers = rr->set->n;
    int64_t *share = calloc(peers * 2, sizeof(*share));
    bool made;
    if (!share)
        return false;
    rr->cycle_n = shares(rr->set, share);
    rr->cycle = calloc(rr->cycle_n + 1, sizeof(*rr->cycle));
    made = rr->cycle != NULL;
    if (made && peers * rr->cycle_n <= LAY_OUT_MAX)
        lay_out(rr, share, share + peers);
    else if (made)
        made = lay_out_large(rr, share);
    if (made)
        count_runs(rr);
    free(share);
    return made;
}

/* --- what is shared ------------------------------------------------------------------------- */

static void round_robin_free(void *state)
{
    struct round_robin *rr = state;
    free(rr->cycle);
    free(rr);
}

static void *round_robin_make(const struct peer_set *set, const struct heritage *h)
{
    struct round_robin *rr = calloc(1, sizeof(*rr));
    if (!rr)
        return NULL;
    rr->set = set;
    if (!make_cycle(rr)) {
        round_robin_free(rr);
        return NULL;
    }
    rr->turn = set->row ? &set->row->turn : &rr->own;
    rr->again = balance_seed(h) % (rr->cycle_n + 1); /* not all workers at the same peer */
    if (!set->row && h->health.shm)
        log_write(LOG_LEVEL_WARN,
                  "upstream \"%s\" has no row in shared memory, each worker balances alone",
                  set->upstream->name.s);
    return rr;
}

/* --- picking -------------------------------------------------------------------------------- */

/* The first usable entry from position `at` on: how many entries lie before it, or -1. `ease`:
 * turns that are given up, the same ones in every worker, do not count. */
static int64_t distance(const struct round_robin *rr, uint64_t at, const struct balance_query *q,
                        bool ease)
{
    uint64_t skipped = 0;
    while (skipped < rr->cycle_n) {
        const struct entry *e = &rr->cycle[(at + skipped) % rr->cycle_n];
        const struct peer *p = rr->set->v[e->peer];
        bool usable = balance_may_take(p, q);
        if (usable && !(ease && balance_given_up(p, q, at + skipped)))
            return (int64_t)skipped;
        skipped += usable ? 1 : e->run;
    }
    return -1;
}

/* For a further try: what was one peer's is shared by all others, as their weights say. */
static struct peer *pick_again(struct round_robin *rr, const struct balance_query *q)
{
    int64_t skip = distance(rr, rr->again, q, true);
    if (skip < 0 && (skip = distance(rr, rr->again, q, false)) < 0)
        return NULL;
    uint64_t taken = rr->again + (uint64_t)skip;
    rr->again = taken + 1;
    return rr->set->v[rr->cycle[taken % rr->cycle_n].peer];
}

/* The position moves past the entry that is taken, and not at all when there is none: another tier
 * may be asked next, which counts on with it. */
static struct peer *round_robin_pick(void *state, const struct balance_query *q)
{
    struct round_robin *rr = state;
    uint64_t at = atomic_load_explicit(rr->turn, memory_order_relaxed);
    if (rr->cycle_n == 0)
        return NULL;
    if (q->tries)
        return pick_again(rr, q);
    for (;;) {
        struct peer *p = rr->set->v[rr->cycle[at % rr->cycle_n].peer];
        bool next = p->upstream->slow_start <= 0 && balance_may_take(p, q); /* as a rule */
        int64_t skip = next ? 0 : distance(rr, at, q, true);
        if (skip < 0 && (skip = distance(rr, at, q, false)) < 0)
            return NULL;
        uint64_t taken = at + (uint64_t)skip;
        if (atomic_compare_exchange_weak_explicit(rr->turn, &at, taken + 1, memory_order_relaxed,
                                                  memory_order_relaxed))
            return next ? p : rr->set->v[rr->cycle[taken % rr->cycle_n].peer];
    }
}

const struct balance_ops round_robin_ops = {
    .name = "round-robin",
    .make = round_robin_make,
    .pick = round_robin_pick,
    .free = round_robin_free,
};
