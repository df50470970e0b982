/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pass over the index begins when something was purged since the last one began, or when that was
 * some minutes ago, and takes its time: about half a millisecond of a second. Who needs room
 * meanwhile does not wait for it, since eviction takes what is dead when it meets it.
 */
#include "worker/caching/sweeping.h"

enum { SWEEP_BUCKETS = 1024, SWEEP_EVERY_MS = 300000 };

static void step(struct worker *w, size_t dict)
{
    struct sweep *sweep = &w->sweeps[dict];
    struct cache *cache = w->dicts[dict];

    if (sweep->at == 0) {
        uint64_t number = cache_sequence(cache);
        if (number == sweep->number && w->loop.now.ms < sweep->next)
            return;
        sweep->number = number;
        sweep->next = w->loop.now.ms + SWEEP_EVERY_MS;
    }
    if (!cache_sweep(cache, w->loop.now.real_s, &sweep->at, SWEEP_BUCKETS))
        sweep->at = 0;
}

void sweeping_step(struct worker *w)
{
    if (w->heritage->index != 0 || w->retiring)
        return;
    for (size_t i = 0; i < w->conf->shared_dicts_n; i++)
        if (w->dicts[i])
            step(w, i);
}
