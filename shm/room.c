/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shards are filled by a hash and should own about the same number of pages. So who needs room
 * takes it at home, unless another shard has clearly more: then that one gives pages to the pool.
 * One lock of a shard is held at any time: the own one is given up meanwhile, and the caller's fill
 * stays consistent without it.
 */
#include "shm/room.h"
#include "shm/evict.h"
#include "shm/store.h"

enum { STEAL_ROUNDS = 64, ATTEMPTS = 256 };

static uint32_t pages_of(const struct cache *cache, uint32_t shard)
{
    return atomic_load_explicit(&cache->shards[shard].slab.pages, memory_order_relaxed);
}

static uint32_t richest(const struct cache *cache)
{
    uint32_t best = 0;
    for (uint32_t i = 1; i < cache->g.shards; i++) {
        if (pages_of(cache, i) > pages_of(cache, best))
            best = i;
    }
    return best;
}

void room_pool(struct cache *cache, uint32_t shard)
{
    for (int i = 0; i < STEAL_ROUNDS && pages_left(cache) == 0; i++) {
        if (!evict_some(cache, shard))
            return;
    }
}

static bool steal(struct cache *cache, uint32_t from)
{
    store_lock(cache, from);
    room_pool(cache, from);
    bool got = pages_left(cache) > 0;
    store_unlock(cache, from);
    return got;
}

static bool steal_anywhere(struct cache *cache)
{
    for (uint32_t i = 0; i < cache->g.shards; i++) {
        if (steal(cache, i))
            return true;
    }
    return false;
}

/* At home until nothing can go there. */
static uint32_t at_home(struct cache *cache, uint32_t shard, uint32_t class)
{
    uint32_t ref;
    while ((ref = slab_take(cache, shard, class)) == 0) {
        if (!evict_some(cache, shard))
            return 0;
    }
    return ref;
}

uint32_t room_chunk(struct cache *cache, uint32_t shard, uint32_t class)
{
    for (int i = 0; i < ATTEMPTS; i++) {
        uint32_t rich = richest(cache), mine = pages_of(cache, shard);
        if (pages_left(cache) == 0 && mine + mine / 8 + 1 < pages_of(cache, rich))
            (void)steal(cache, rich);
        store_lock(cache, shard);
        uint32_t ref = at_home(cache, shard, class);
        if (ref != 0)
            return ref;
        store_unlock(cache, shard);
        if (!steal_anywhere(cache)) /* others may have been faster; but then they made progress */
            return 0;
    }
    return 0;
}

uint32_t room_page(struct cache *cache, uint32_t owner)
{
    uint32_t page = pages_take(cache, owner);
    for (int i = 0; i < ATTEMPTS && page == 0; i++) {
        if (!steal(cache, richest(cache)) && !steal_anywhere(cache))
            return 0;
        page = pages_take(cache, owner);
    }
    return page;
}
