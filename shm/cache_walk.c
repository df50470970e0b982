/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Visiting all objects for those who want a list: bucket by bucket, each object pinned in the
 * ledger while it is shown, without a lock, so that nobody waits for a slow visitor.
 */
#include "shm/store.h"

struct visit {
    struct cache *cache;
    int64_t now;
    bool (*each)(void *arg, const uint8_t id[CACHE_ID_SIZE], const struct cache_hit *hit);
    void *arg;
};

static bool show(const struct visit *visit, const struct cache_entry_shm *entry, int32_t pin)
{
    const struct cache *cache = visit->cache;
    if (entry->generation != atomic_load_explicit(&cache->shm->generation, memory_order_acquire) ||
        store_meta(cache, entry)->keep_until < visit->now)
        return true;
    enum purges_verdict verdict = purges_judge(cache, entry);
    if (verdict == PURGES_DEAD)
        return true;
    struct cache_hit hit;
    cache_describe(cache, entry, pin, &hit);
    hit.soft = verdict == PURGES_STALE;
    return visit->each(visit->arg, entry->id, &hit);
}

/* The same handshake as in cache_find(), with a cell of the ledger in place of the hazard. */
static bool visit_slot(const struct visit *visit, const _Atomic uint64_t *slot)
{
    uint64_t seen = atomic_load_explicit(slot, memory_order_acquire);
    if (seen == 0)
        return true;
    int32_t pin = pins_keep(visit->cache, (uint32_t)seen);
    if (pin < 0)
        return false;
    bool more = true;
    atomic_thread_fence(memory_order_seq_cst);
    if (atomic_load_explicit(slot, memory_order_acquire) == seen)
        more = show(visit, store_entry(visit->cache, (uint32_t)seen), pin);
    pins_drop(visit->cache, pin);
    return more;
}

static bool visit_chain(const struct visit *visit, const struct index_bucket_shm *bucket)
{
    for (int hops = 0; hops < INDEX_HOPS; hops++) {
        for (int i = 0; i < INDEX_SLOTS; i++) {
            if (!visit_slot(visit, &bucket->slot[i]))
                return false;
        }
        uint32_t next = atomic_load_explicit(&bucket->next, memory_order_acquire);
        if (next == 0)
            break;
        bucket = store_at(visit->cache, next);
    }
    return true;
}

bool cache_walk_some(struct cache *cache, int64_t now, uint64_t *at, uint32_t buckets,
                     bool (*each)(void *arg, const uint8_t id[CACHE_ID_SIZE],
                                  const struct cache_hit *hit),
                     void *arg)
{
    const struct visit visit = { cache, now, each, arg };
    uint64_t all = (uint64_t)cache->g.shards * cache->g.buckets;
    for (; buckets > 0 && *at < all; buckets--) {
        if (!visit_chain(&visit, &cache->buckets[(*at)++]))
            return false;
    }
    return *at < all;
}

void cache_walk(struct cache *cache, int64_t now,
                bool (*each)(void *arg, const uint8_t id[CACHE_ID_SIZE],
                             const struct cache_hit *hit),
                void *arg)
{
    uint64_t at = 0;
    (void)cache_walk_some(cache, now, &at, UINT32_MAX, each, arg);
}
