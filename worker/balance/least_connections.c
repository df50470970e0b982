/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The peer with the fewest requests under way for its weight, over all workers. Of several that are
 * equal one is drawn, in proportion to the weights: an idle upstream is shared out by weight, and
 * workers that choose at the same moment do not all run to the same peer. In a large set only a few
 * that are drawn at random are looked at: reading the counts of a thousand peers would cost more
 * than the request, and the best of four leaves no peer far above the others. What starts slowly
 * has nothing under way and would be the best for each request: most of them pass it by.
 */
#include "worker/balance/balance.h"
#include <stdlib.h>

enum { ALL_UP_TO = 32, LOOKS = 4 };

struct least {
    const struct peer_set *set;
    uint64_t random;
};

static void *least_make(const struct peer_set *set, const struct heritage *h)
{
    struct least *l = calloc(1, sizeof *l);
    if (l)
        *l = (struct least){ .set = set, .random = balance_seed(h) };
    return l;
}

static struct peer *least_pick(void *state, const struct balance_query *q)
{
    struct least *l = state;
    size_t n = l->set->n, draws = n > ALL_UP_TO ? LOOKS : 0;
    size_t from = draws ? balance_random(&l->random) % n : 0;
    struct peer *best = NULL, *slow = NULL;
    uint64_t luck = l->set->upstream->slow_start > 0 ? balance_random(&l->random) : 0;
    uint64_t best_load = 0, best_weight = 1, drawn = 0;

    for (size_t i = 0; i < n + draws; i++) {
        if (draws && i >= draws && best)
            break; /* else none of them can be used: the first one that can */
        size_t at = i < draws ? balance_random(&l->random) % n : from + (i - draws);
        struct peer *p = l->set->v[at < n ? at : at - n];
        if (!balance_may_take(p, q))
            continue;
        if (balance_given_up(p, q, luck)) {
            slow = p;
            continue;
        }
        uint64_t weight = (uint64_t)(unsigned)p->weight;
        uint64_t load = health_tally_sum(&p->tally);
        if (best && load * best_weight > best_load * weight)
            continue;
        bool equal = best && load * best_weight == best_load * weight;
        drawn = equal ? drawn + weight : weight;
        if (equal && balance_random(&l->random) % drawn >= weight)
            continue;
        best = p;
        best_load = load;
        best_weight = weight;
    }
    return best ? best : slow;
}

const struct balance_ops least_connections_ops = {
    .name = "least-connections",
    .make = least_make,
    .pick = least_pick,
    .free = free,
};
