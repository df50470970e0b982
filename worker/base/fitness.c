/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Peers that are out are put in order of the moment that they went, the first ones first: these
 * stay out as long as their weights together keep within max_ejection_percent, the others are
 * spared, that is used as if they were up: of a heavy one that does not fit, the next ones are none
 * the worse. What is out by hand is never spared, and counts neither way.
 *
 * The threshold is about who serves: backups do not count beside others, however many are up; once
 * no other is left, they are what serves, and are measured for themselves.
 */
#include "worker/base/fitness.h"
#include <stdlib.h>

struct fitness_out {
    struct peer *peer;
    uint64_t since;
};

static uint64_t weight_of(const struct peer *p)
{
    return p->weight > 0 ? (uint64_t)p->weight : 0;
}

static bool is_out(const struct peer *p)
{
    return p->row && health_state(p->row) != HEALTH_UP;
}

static bool by_hand(const struct peer *p)
{
    struct verdict v = verdict_unpack(atomic_load_explicit(&p->row->verdict, memory_order_relaxed));
    return v.by_hand;
}

static int compare(const void *a, const void *b)
{
    const struct fitness_out *x = a, *y = b;
    if (x->since != y->since)
        return x->since < y->since ? -1 : 1;
    return x->peer->identity < y->peer->identity ? -1 : x->peer->identity > y->peer->identity;
}

/* Without memory nobody is spared: the bound holds again at the next change. */
static void spare(const struct peer_set *set, uint64_t allowed)
{
    struct fitness_out *out = calloc(set->n, sizeof *out);
    size_t n = 0;
    for (size_t i = 0; out && i < set->n; i++) {
        struct peer *p = set->v[i];
        if (is_out(p) && !by_hand(p) && weight_of(p) > 0)
            out[n++] = (struct fitness_out){ p, atomic_load(&p->row->since) };
    }
    if (n > 0)
        qsort(out, n, sizeof *out, compare);
    uint64_t used = 0;
    for (size_t i = 0; i < n; i++) {
        bool fits = used + weight_of(out[i].peer) <= allowed;
        used += fits ? weight_of(out[i].peer) : 0;
        out[i].peer->spared = !fits;
    }
    free(out);
}

static void spare_all(const struct peer_set *set)
{
    for (size_t i = 0; i < set->n; i++)
        set->v[i]->spared = is_out(set->v[i]) && !by_hand(set->v[i]);
}

static void weigh(struct fitness *f, const struct peer_set *set)
{
    f->total = f->available = 0;
    for (size_t i = 0; i < set->n; i++) {
        const struct peer *p = set->v[i];
        f->total += weight_of(p);
        if (!is_out(p) || p->spared)
            f->available += weight_of(p);
    }
}

static bool is_unhealthy(const struct peer_set *set, double threshold)
{
    uint64_t total[2] = { 0, 0 }, available[2] = { 0, 0 }; /* of backups: [1] */
    for (size_t i = 0; i < set->n; i++) {
        const struct peer *p = set->v[i];
        bool backup = p->tier >= PEERS_BACKUP;
        total[backup] += weight_of(p);
        available[backup] += !is_out(p) || p->spared ? weight_of(p) : 0;
    }
    bool serve = available[0] == 0; /* backups do */
    return available[serve] == 0 ||
           (double)available[serve] * 100 < threshold * (double)total[serve];
}

void fitness_look(struct fitness *f, const struct peer_set *set, uint64_t changes)
{
    const struct conf_healthchecks *checks = &set->upstream->healthchecks;
    f->changes = changes;
    f->version = set->version;
    for (size_t i = 0; i < set->n; i++)
        set->v[i]->spared = false;
    weigh(f, set);
    if (checks->max_ejection_percent < 100 && f->available < f->total) {
        spare(set, f->total * (uint64_t)checks->max_ejection_percent / 100);
        weigh(f, set);
    }
    f->unhealthy = is_unhealthy(set, checks->threshold);
    f->closed = f->unhealthy && checks->on_unhealthy == CONF_UNHEALTHY_FAIL;
    if (f->unhealthy && checks->on_unhealthy == CONF_UNHEALTHY_PANIC)
        spare_all(set);
}
