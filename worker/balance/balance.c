/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of algorithms, and what they have in common: tiers (each has a state of its own, so
 * that an algorithm never hears of them), what was tried already, and slow starts. A set whose
 * peers are all of one tier, which is the rule, is given to the algorithm as it is.
 */
#include "worker/balance/balance.h"
#include "conf/fnv.h"
#include "shm/assert.h"
#include <stdlib.h>

struct tier {
    struct peer_set set; /* its peers, in the order of the whole set */
    void *state;
};

struct balancer {
    const struct balance_ops *ops;
    const struct peer_set *set;
    struct tier *tiers; /* the first is used first */
    size_t tiers_n;     /* 0: the set has no peers */
};

static const struct balance_ops *const algorithms[] = {
    [CONF_ROUND_ROBIN] = &round_robin_ops,
    [CONF_LEAST_CONNECTIONS] = &least_connections_ops,
    [CONF_CONSISTENT_HASHING] = &consistent_hashing_ops,
    [CONF_LATENCY] = &latency_ops,
};

/* --- tiers ---------------------------------------------------------------------------------- */

/* The lowest tier above `above` (-1: of all); -1: there is none. */
static int64_t next_tier(const struct peer_set *set, int64_t above)
{
    int64_t next = -1;
    for (size_t i = 0; i < set->n; i++)
        if (set->v[i]->tier > above && (next < 0 || set->v[i]->tier < next))
            next = set->v[i]->tier;
    return next;
}

static bool fill_tier(struct tier *t, const struct peer_set *set, uint32_t number)
{
    t->set = *set;
    t->set.n = 0;
    t->set.v = calloc(set->n, sizeof(struct peer *));
    for (size_t i = 0; t->set.v && i < set->n; i++)
        if (set->v[i]->tier == number)
            t->set.v[t->set.n++] = set->v[i];
    return t->set.v != NULL;
}

static bool make_tiers(struct balancer *b, const struct heritage *h)
{
    size_t n = 0;
    for (int64_t tier = next_tier(b->set, -1); tier >= 0; tier = next_tier(b->set, tier))
        n++;
    b->tiers = calloc(n + 1, sizeof *b->tiers);
    if (!b->tiers)
        return false;
    for (int64_t tier = next_tier(b->set, -1); tier >= 0; tier = next_tier(b->set, tier)) {
        struct tier *t = &b->tiers[b->tiers_n++];
        if (!fill_tier(t, b->set, (uint32_t)tier))
            return false;
        t->state = b->ops->make(&t->set, h);
        if (!t->state)
            return false;
    }
    return true;
}

struct balancer *balance_make(const struct peer_set *set, const struct heritage *h)
{
    const struct conf_upstream *u = set->upstream;
    struct balancer *b = calloc(1, sizeof(*b));
    must((size_t)u->algorithm < sizeof(algorithms) / sizeof(*algorithms));
    if (!b)
        return NULL;
    b->set = set;
    b->ops = algorithms[u->algorithm];
    if (!make_tiers(b, h))
        balance_free(&b);
    return b;
}

void balance_free(struct balancer **balancer)
{
    struct balancer *b = *balancer;
    *balancer = NULL;
    if (!b)
        return;
    for (size_t i = 0; i < b->tiers_n; i++) {
        if (b->tiers[i].state)
            b->ops->free(b->tiers[i].state);
        free(b->tiers[i].set.v);
    }
    free(b->tiers);
    free(b);
}

/* --- what was tried ------------------------------------------------------------------------- */

bool balance_was_tried(const struct peer *p, const struct balance_query *q)
{
    uint32_t known = q->tries < BALANCE_TRIES_KEPT ? q->tries : BALANCE_TRIES_KEPT;
    if (p->at < 64 && (q->tried >> p->at & 1))
        return true;
    for (uint32_t i = 0; i < known; i++)
        if (q->identities[i] == p->identity)
            return true;
    return false;
}

void balance_tried(struct balancer *b, struct balance_query *q, const struct peer *peer)
{
    must(peer->at < b->set->n && b->set->v[peer->at] == peer);
    if (q->version != b->set->version)
        q->tried = 0; /* positions meant other peers */
    q->version = b->set->version;
    q->identities[q->tries++ % BALANCE_TRIES_KEPT] = peer->identity;
    if (peer->at < 64)
        q->tried |= UINT64_C(1) << peer->at;
}

/* --- picking -------------------------------------------------------------------------------- */

static struct peer *pick(struct balancer *b, const struct balance_query *q)
{
    for (size_t i = 0; i < b->tiers_n; i++) {
        struct peer *p = b->ops->pick(b->tiers[i].state, q);
        if (p)
            return p;
    }
    return NULL;
}

struct peer *balance_pick(struct balancer *b, const struct balance_query *q)
{
    if (q->tries == 0 && q->tried == 0)
        return pick(b, q);

    struct balance_query again = *q;
    struct peer *p;
    if (q->tried && q->version && q->version != b->set->version)
        again.tried = 0;
    p = pick(b, &again);
    if (p || (q->tries == 0 && q->tried == 0))
        return p;
    again.tried = 0;
    again.tries = q->tries > 0;
    if (q->tries > 0)
        again.identities[0] = q->identities[(q->tries - 1) % BALANCE_TRIES_KEPT];
    p = again.tries ? pick(b, &again) : NULL;
    again.tries = 0;
    return p ? p : pick(b, &again);
}

uint32_t balance_ease(const struct peer *p, const struct balance_query *q)
{
    int64_t length = (int64_t)(p->upstream->slow_start * 1000), since = length;
    if (!p->row)
        return BALANCE_WHOLE;
    int64_t changed = (int64_t)atomic_load_explicit(&p->row->since, memory_order_relaxed);
    int64_t opened = (int64_t)atomic_load_explicit(&p->row->opened, memory_order_relaxed);
    if (changed > 0 && q->real >= changed)
        since = q->real - changed;
    if (opened > p->together && q->now >= opened && q->now - opened < since)
        since = q->now - opened;
    if (since >= length)
        return BALANCE_WHOLE;
    return (uint32_t)(since * BALANCE_WHOLE / length) + 1;
}

uint64_t balance_hash(const void *bytes, size_t n)
{
    return balance_mix(fnv_bytes(FNV_BEGIN, bytes, n));
}
