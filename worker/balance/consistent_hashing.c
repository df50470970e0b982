/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys fall on one of `slots` positions, and each position ranks all peers by a draw of its own,
 * weighted (rendezvous hashing): the first of them that may be used takes the request. A peer that
 * goes moves its own positions and no others, whatever the weights. Who is first at a position is
 * worked out when the position is first asked for, and kept; who comes next only when it is needed.
 *
 * Spread is bounded: a peer that has a quarter more under way than its share of the upstream's
 * requests, over all workers, is passed over like one that is down. A few requests more are always
 * left to it: with little traffic nobody is overloaded, and keys stay where they are.
 *
 * A request that has nothing to be hashed goes round-robin.
 */
#include "shm/assert.h"
#include "worker/balance/balance.h"
#include <math.h>
#include <stdlib.h>

enum { SLACK = 16 };

struct hashing {
    const struct peer_set *set;
    struct health_tally active; /* requests under way to the upstream */
    uint64_t weight;            /* of all peers */
    size_t slots;
    uint32_t *first; /* by position: 1 + the peer's place in the set; 0: not known yet */
    void *unkeyed;   /* round-robin's */
};

static void hashing_free(void *state)
{
    struct hashing *c = state;
    if (c->unkeyed)
        round_robin_ops.free(c->unkeyed);
    free(c->first);
    free(c);
}

static void *hashing_make(const struct peer_set *set, const struct heritage *h)
{
    struct hashing *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->set = set;
    c->slots = set->upstream->slots > 0 ? (size_t)set->upstream->slots : 1;
    health_tally_upstream(&h->health, set->row, HEALTH_ACTIVE, &c->active);
    for (size_t i = 0; i < set->n; i++)
        c->weight += (uint64_t)(unsigned)set->v[i]->weight;
    c->first = calloc(c->slots, sizeof *c->first);
    c->unkeyed = round_robin_ops.make(set, h);
    if (c->first && c->unkeyed)
        return c;
    hashing_free(c);
    return NULL;
}

/* An exponential draw with the weight as its rate: the least of all falls to a peer with the
 * probability of its share. */
static double rank(const struct peer *p, uint64_t slot)
{
    uint64_t h = balance_mix(p->identity ^ balance_mix(slot + UINT64_C(0x9e3779b97f4a7c15)));
    return -log(((double)(h >> 11) + 0.5) * 0x1p-53) / p->weight;
}

/* Its requests are a quarter above its share of all (this one counted) and SLACK more. */
static bool overloaded(const struct hashing *c, const struct peer *p)
{
    uint64_t in_flight = health_tally_sum(&p->tally);
    if (in_flight <= SLACK)
        return false;
    return (in_flight - SLACK) * 4 * c->weight >=
           (health_tally_sum(&c->active) + 1) * 5 * (uint64_t)(unsigned)p->weight;
}

typedef bool hashing_test(const struct hashing *c, const struct peer *p,
                          const struct balance_query *q);

static bool any(const struct hashing *c, const struct peer *p, const struct balance_query *q)
{
    (void)c;
    (void)q;
    return p->weight > 0;
}

static bool usable(const struct hashing *c, const struct peer *p, const struct balance_query *q)
{
    (void)c;
    return balance_may_take(p, q);
}

/* A peer that starts slowly gives up positions, the same ones in every worker. */
static bool wanted(const struct hashing *c, const struct peer *p, const struct balance_query *q)
{
    return balance_may_take(p, q) && !overloaded(c, p) &&
           !balance_given_up(p, q, q->key % c->slots);
}

/* The first by rank of those that pass: 1 + its place, 0: none does. */
static uint32_t lead(const struct hashing *c, const struct balance_query *q, hashing_test *pass)
{
    uint32_t best = 0;
    double least = 0;
    for (size_t i = 0; i < c->set->n; i++) {
        const struct peer *p = c->set->v[i];
        if (!pass(c, p, q))
            continue;
        double r = rank(p, q->key % c->slots);
        if (best && r >= least)
            continue;
        best = (uint32_t)i + 1;
        least = r;
    }
    return best;
}

static struct peer *hashing_pick(void *state, const struct balance_query *q)
{
    struct hashing *c = state;
    if (!q->keyed)
        return round_robin_ops.pick(c->unkeyed, q);
    uint32_t *known = &c->first[q->key % c->slots], taken;
    if (*known == 0)
        *known = lead(c, q, any);
    if (*known == 0)
        return NULL; /* nobody has a weight */
    must(*known <= c->set->n);
    taken = *known;
    if (!wanted(c, c->set->v[taken - 1], q)) {
        taken = lead(c, q, wanted);
        taken = taken ? taken : lead(c, q, usable);
    }
    return taken ? c->set->v[taken - 1] : NULL;
}

const struct balance_ops consistent_hashing_ops = {
    .name = "consistent-hashing",
    .make = hashing_make,
    .pick = hashing_pick,
    .free = hashing_free,
};
