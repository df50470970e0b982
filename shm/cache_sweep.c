/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The dead are found bucket by bucket; the shard is locked for the few objects of one. They go the
 * way of all that leaves (evict.h), so whoever still reads one keeps it.
 *
 * Who is looked at and lives has `born` moved on, past all purges so far. The table of labels
 * (purges.c) forgets the oldest, and then counts as purged who may have had it and was not looked
 * at since. So where a pass takes no longer than an eighth of the table takes to be written anew,
 * unsafe requests to ever new URLs, which are a purge each, cost what nobody asks for next to
 * nothing. That pace is kept over all processes by a count of buckets in the zone; a part that one
 * claimed and did not do, since it died, is done in the next pass.
 */
#include "shm/evict.h"
#include "shm/store.h"

enum { PACE_SHARE = 8 };

/* One that can go; 0: none. */
static uint32_t find_dead(const struct cache *cache, uint32_t shard,
                          const struct index_bucket_shm *bucket)
{
    for (int hops = 0; hops < INDEX_HOPS; hops++) {
        for (int i = 0; i < INDEX_SLOTS; i++) {
            uint32_t ref = (uint32_t)atomic_load_explicit(&bucket->slot[i], memory_order_relaxed);
            if (ref != 0 && evict_is_dead(cache, shard, ref))
                return ref;
        }
        uint32_t next = atomic_load_explicit(&bucket->next, memory_order_relaxed);
        if (next == 0)
            break;
        bucket = store_at(cache, next);
    }
    return 0;
}

static void bury_dead(struct cache *cache, uint64_t number)
{
    uint32_t shard = (uint32_t)(number / cache->g.buckets), ref, buried = 0;
    queue_sync(cache, store_lock(cache, shard));
    for (; (ref = find_dead(cache, shard, &cache->buckets[number])) != 0; buried++)
        evict_bury(cache, shard, ref);
    if (buried > 0)
        evict_reclaim(cache, shard);
    store_unlock(cache, shard);
}

bool cache_sweep(struct cache *cache, int64_t now, uint64_t *at, uint32_t buckets)
{
    uint64_t all = (uint64_t)cache->g.shards * cache->g.buckets;
    if (now > cache->now)
        cache->now = now;
    for (; buckets > 0 && *at < all; buckets--)
        bury_dead(cache, (*at)++);
    return *at < all;
}

void cache_sweep_pace(struct cache *cache, int64_t now, uint32_t buckets)
{
    _Atomic uint64_t *swept = &cache->shm->purged.swept;
    uint64_t all = (uint64_t)cache->g.shards * cache->g.buckets;
    uint64_t a_purge = all * PACE_SHARE / ((uint64_t)cache->g.purges * PURGES_WAYS) + 1;
    uint64_t due = store_sequence(cache) * a_purge;
    uint64_t at = atomic_load_explicit(swept, memory_order_relaxed);
    if (at >= due)
        return;
    uint64_t from = due - at > all ? due - all : at;
    uint64_t to = due - from > buckets ? from + buckets : due;
    if (!atomic_compare_exchange_strong_explicit(swept, &at, to, memory_order_relaxed,
                                                 memory_order_relaxed))
        return; /* another process is at it */
    CRASH_POINT();
    if (now > cache->now)
        cache->now = now;
    for (; from < to; from++)
        bury_dead(cache, from % all);
}
