/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Of two peers that are drawn by weight the better one: the product of its latency and of what
 * waits there, this request counted, is smaller. Two, not all, so that not every worker runs to the
 * same best peer, and a thousand peers cost no more than two. What is in flight is taken in
 * relation to the weight, so that peers that are equally fast share by weight.
 */
#include "worker/balance/latency.h"
#include "worker/balance/balance.h"
#include <stdlib.h>

enum { DRAWS = 4, UNKNOWN = 1000 /* us, of one that has something in flight and never answered */ };

struct latency {
    const struct peer_set *set;
    uint64_t random;
    uint64_t *up_to; /* the sum of weights up to and with each place */
};

/* --- the average ---------------------------------------------------------------------------- */

/* 32 bits of microseconds, 32 of the millisecond, which wraps after seven weeks: a peer that was
 * not asked for so long may be taken for one that was asked lately, once. */
static uint64_t pack(uint64_t us, int64_t now)
{
    return (us > UINT32_MAX ? UINT32_MAX : us) << 32 | (uint32_t)now;
}

/* Halved every LATENCY_HALF, in a straight line between. */
uint32_t latency_of(uint64_t word, int64_t now)
{
    uint32_t age = (uint32_t)now - (uint32_t)word, halves = age / LATENCY_HALF;
    uint64_t us = word >> 32;
    if (age > UINT32_MAX / 2)
        return (uint32_t)us; /* written by another, in the millisecond after this turn began */
    if (halves >= 32)
        return 0;
    us >>= halves;
    return (uint32_t)(us - us * (age % LATENCY_HALF) / (2 * LATENCY_HALF));
}

uint64_t latency_learn(uint64_t word, int64_t us, int64_t now)
{
    uint64_t took = us > 0 ? (uint64_t)us : 1, known = word >> 32, kept = latency_of(word, now);
    if (took >= known)
        return pack(took, now);
    /* what has not been forgotten, and the answer in place of the rest */
    uint64_t new = kept + took *(known - kept) / known;
    uint64_t least = known - (known - took) / 64; /* answers in quick succession count as well */
    return pack(new < least ? new : least, now);
}

static void learn(const struct peer *peer, int64_t us, int64_t now)
{
    if (!peer->row)
        return;
    uint64_t word = atomic_load_explicit(&peer->row->latency, memory_order_relaxed);
    atomic_store_explicit(&peer->row->latency, latency_learn(word, us, now), memory_order_relaxed);
}

void latency_answered(const struct peer *peer, int64_t us, int64_t now)
{
    if (peer->upstream->algorithm == CONF_LATENCY)
        learn(peer, us, now);
}

/* Who fails fast is not fast. */
void latency_failed(const struct peer *peer, int64_t us, int64_t now)
{
    if (peer->upstream->algorithm == CONF_LATENCY)
        learn(peer, us > LATENCY_FAILED ? us : LATENCY_FAILED, now);
}

/* --- picking -------------------------------------------------------------------------------- */

static void *latency_make(const struct peer_set *set, const struct heritage *h)
{
    struct latency *l = calloc(1, sizeof *l);
    uint64_t sum = 0;
    if (!l)
        return NULL;
    *l = (struct latency){ .set = set,
                           .random = balance_seed(h),
                           .up_to = calloc(set->n, sizeof *l->up_to) };
    for (size_t i = 0; l->up_to && i < set->n; i++)
        l->up_to[i] = sum += (uint64_t)(unsigned)set->v[i]->weight;
    if (l->up_to)
        return l;
    free(l);
    return NULL;
}

static void latency_free(void *state)
{
    struct latency *l = state;
    free(l->up_to);
    free(l);
}

/* One by weight, whatever its state. */
static struct peer *draw(struct latency *l)
{
    uint64_t at = balance_random(&l->random) % l->up_to[l->set->n - 1];
    size_t low = 0, high = l->set->n - 1;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (l->up_to[middle] > at)
            high = middle;
        else
            low = middle + 1;
    }
    return l->set->v[low];
}

/* One that may be used and is not `but`, NULL: there is none. What starts slowly is only taken
 * against its luck where there is nothing to compare it with. */
static struct peer *draw_usable(struct latency *l, const struct balance_query *q,
                                const struct peer *but, uint64_t luck)
{
    size_t n = l->set->n, from;
    struct peer *slow = NULL;
    for (int i = 0; i < DRAWS; i++) {
        struct peer *p = draw(l);
        if (p != but && !balance_given_up(p, q, luck) && balance_may_take(p, q))
            return p;
    }
    from = balance_random(&l->random) % n;
    for (size_t i = 0; i < n; i++) {
        struct peer *p = l->set->v[(from + i) % n];
        if (p == but || !balance_may_take(p, q))
            continue;
        if (!balance_given_up(p, q, luck))
            return p;
        slow = p;
    }
    return but ? NULL : slow;
}

static double cost(const struct latency *l, const struct peer *p, const struct balance_query *q)
{
    uint64_t word = p->row ? atomic_load_explicit(&p->row->latency, memory_order_relaxed) : 0;
    double known = latency_of(word, q->now), waiting = (double)health_tally_sum(&p->tally);
    double average = (double)l->up_to[l->set->n - 1] / (double)l->set->n;
    if (word >> 32 == 0)
        known = waiting > 0 ? UNKNOWN : 0;
    return known * (1 + waiting * average / p->weight);
}

static struct peer *latency_pick(void *state, const struct balance_query *q)
{
    struct latency *l = state;
    if (l->up_to[l->set->n - 1] == 0)
        return NULL;
    uint64_t luck = balance_random(&l->random);
    struct peer *one = draw_usable(l, q, NULL, luck);
    struct peer *two = one && l->set->n > 1 ? draw_usable(l, q, one, luck) : NULL;
    return two && cost(l, two, q) < cost(l, one, q) ? two : one;
}

const struct balance_ops latency_ops = {
    .name = "latency",
    .make = latency_make,
    .pick = latency_pick,
    .free = latency_free,
};
