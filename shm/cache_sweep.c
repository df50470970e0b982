/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The dead are found bucket by bucket; the shard is locked for the few objects of one. They go the
 * way of all that leaves (evict.h), so whoever still reads one keeps it.
 */
#include "shm/evict.h"
#include "shm/store.h"

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
