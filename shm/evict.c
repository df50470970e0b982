/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Room is made in batches of about a page, so that the pins of all processes are read once for many
 * objects. Who goes is the policy's choice (queue.c), unless more than a thirty-second of the
 * shard's memory lies in chunks that are free but of sizes that nobody asks for: then one of the
 * pages that are least in use is emptied and goes back to the pool, whence it returns cut to the
 * size in demand. So a shift in sizes costs a few objects more than their bytes, and never a "no
 * memory". A large object is freed in steps, its chain shortened chunk by chunk, to keep the lock
 * for short.
 */
#include "shm/evict.h"
#include "shm/assert.h"
#include "shm/samples_parts.h"
#include "shm/store.h"

enum {
    BATCH_OBJECTS = 32,
    BATCH_BYTES = PAGES_SIZE,
    FREE_CHUNKS = 1024,
    TIDY_AT = 32,
    SPARSE_TRIES = 8,
    REQUEST_PRICE = 4096
};

static void retire(struct cache *cache, struct store_shard_shm *shard, uint32_t ref)
{
    enum queue_list list = queue_of(cache, shard, ref);
    const struct cache_entry_shm *entry = store_entry(cache, ref);
    if (list != QUEUE_FILLS)
        shard->payload -= entry->key_n + entry->head_n + entry->body_n;
    queue_drop(cache, shard, ref);
    CRASH_POINT();
    queue_push(cache, shard, QUEUE_LIMBO, ref);
}

void evict_unlink(struct cache *cache, uint32_t shard, uint32_t ref)
{
    must(index_drop(cache, ref));
    CRASH_POINT();
    retire(cache, &cache->shards[shard], ref);
}

void evict_retire(struct cache *cache, uint32_t shard, uint32_t ref)
{
    retire(cache, &cache->shards[shard], ref);
}

/* Frees the chain that begins at *link from its front, at most so many chunks. */
static uint32_t release_chain(struct cache *cache, uint32_t shard, uint32_t ref,
                              _Atomic uint32_t *link, uint32_t most)
{
    uint32_t count = 0, chunk;
    while (count < most && (chunk = atomic_load_explicit(link, memory_order_relaxed)) != 0) {
        must(atomic_load_explicit(&store_chunk(cache, chunk)->owner, memory_order_relaxed) == ref);
        uint32_t next =
            atomic_load_explicit(&store_chunk(cache, chunk)->next, memory_order_relaxed);
        atomic_store_explicit(link, next, memory_order_release);
        CRASH_POINT();
        slab_give(cache, shard, chunk);
        CRASH_POINT();
        count++;
    }
    return count;
}

/* Frees later heads and the body, then the entry. Returns how many chunks; what is left stays in
 * limbo. */
static uint32_t release(struct cache *cache, uint32_t shard, uint32_t ref, uint32_t most)
{
    struct cache_entry_shm *entry = store_entry(cache, ref);
    uint32_t count = release_chain(cache, shard, ref, &entry->head_ref, most);
    count += release_chain(cache, shard, ref, &entry->chunk.next, most - count);
    if (atomic_load_explicit(&entry->chunk.next, memory_order_relaxed) != 0 || count == most)
        return most;
    queue_drop(cache, &cache->shards[shard], ref);
    CRASH_POINT();
    slab_give(cache, shard, ref);
    return count + 1;
}

/* The oldest of limbo. */
static void gather(const struct cache *cache, const struct queue_shm *limbo, struct pins_set *set)
{
    for (uint32_t ref = limbo->tail; ref != 0 && set->n < PINS_SET;
         ref = store_entry(cache, ref)->prev)
        pins_add(set, ref);
}

uint32_t evict_reclaim(struct cache *cache, uint32_t number)
{
    struct store_shard_shm *shard = &cache->shards[number];
    struct queue_shm *limbo = &shard->lists[QUEUE_LIMBO];
    struct pins_set set = { 0 };
    uint32_t freed = 0;
    if (limbo->count == 0)
        return 0;
    gather(cache, limbo, &set);
    pins_scan(cache, &set);
    for (uint32_t i = 0; i < set.n; i++) {
        if (!set.held[i] && freed < FREE_CHUNKS) {
            freed += release(cache, number, set.refs[i], FREE_CHUNKS - freed);
        } else { /* others get their turn next time */
            queue_drop(cache, shard, set.refs[i]);
            CRASH_POINT();
            queue_push(cache, shard, QUEUE_LIMBO, set.refs[i]);
        }
    }
    shard->limbo_next = limbo->count + TIDY_AT;
    return freed;
}

void evict_tidy(struct cache *cache, uint32_t shard)
{
    struct store_shard_shm *s = &cache->shards[shard];
    queue_sync(cache, s);
    for (int i = 0; i < 2 && s->lists[QUEUE_DEAD].tail;
         i++) /* the dead go two a store, so that they do go */
        evict_unlink(cache, shard, s->lists[QUEUE_DEAD].tail);
    if (s->lists[QUEUE_LIMBO].count >= s->limbo_next)
        evict_reclaim(cache, shard);
}

/* How long what goes had been there: what a cache of this size can remember. */
static void count_age(const struct cache *cache, struct store_shard_shm *shard,
                      const struct cache_entry_shm *entry)
{
    int64_t age = cache->now - store_meta(cache, entry)->stored;
    uint64_t seconds = age > 0 ? (uint64_t)age : 0;
    shard->evicted_seconds += seconds;
    if (shard->evictions == 0)
        shard->evicted_recent = seconds * EVICT_RECENT_SCALE;
    else
        shard->evicted_recent += seconds - shard->evicted_recent / EVICT_RECENT_SCALE;
}

static bool is_purged(const struct cache *cache, uint32_t shard, uint32_t ref)
{
    return queue_of(cache, &cache->shards[shard], ref) == QUEUE_DEAD ||
           purges_judge(cache, store_entry(cache, ref)) == PURGES_DEAD;
}

static bool is_expired(const struct cache *cache, uint32_t ref)
{
    return store_meta(cache, store_entry(cache, ref))->keep_until < cache->now;
}

bool evict_is_dead(const struct cache *cache, uint32_t shard, uint32_t ref)
{
    return is_expired(cache, ref) || is_purged(cache, shard, ref);
}

void evict_bury(struct cache *cache, uint32_t shard, uint32_t ref)
{
    if (!is_purged(cache, shard, ref)) /* which was counted when it was done */
        cache->shards[shard].expired++;
    evict_unlink(cache, shard, ref);
}

static void evict(struct cache *cache, uint32_t number, uint32_t ref)
{
    struct store_shard_shm *shard = &cache->shards[number];
    const struct cache_entry_shm *entry = store_entry(cache, ref);
    bool dead = is_purged(cache, number, ref); /* counted when it was purged */
    if (!dead && is_expired(cache, ref)) {
        shard->expired++;
    } else if (!dead) {
        count_age(cache, shard, entry);
        if (samples_has(cache, entry->id))
            samples_note(cache, entry, SAMPLES_EVICTED);
        shard->evictions++;
        shard->evicted_bytes += queue_bytes(cache, ref);
    }
    evict_unlink(cache, number, ref);
}

/* The entry that chunk number `i` of a page is part of, if it can go; *last: there is no such
 * chunk. */
static uint32_t goer(const struct cache *cache, uint32_t shard, uint32_t page, uint32_t i,
                     bool *last)
{
    uint32_t ref = slab_nth(cache, page, i);
    *last = ref == 0;
    if (*last)
        return 0;
    uint32_t owner = atomic_load_explicit(&store_chunk(cache, ref)->owner, memory_order_relaxed);
    enum queue_list list = owner ? queue_of(cache, &cache->shards[shard], owner) : QUEUE_NONE;
    return list == QUEUE_SMALL || list == QUEUE_MAIN || list == QUEUE_DEAD ? owner : 0;
}

/* What it costs to empty a page: the whole of each object that has a chunk there goes, which may be
 * many times the page. An object counts for its bytes and for the request that misses it, once more
 * for each recent hit. 0: nothing can go. */
static uint64_t page_price(const struct cache *cache, uint32_t shard, uint32_t page)
{
    uint64_t price = 0;
    bool last;
    for (uint32_t i = 0, owner; owner = goer(cache, shard, page, i, &last), !last; i++) {
        uint8_t heat =
            owner ? atomic_load_explicit(&store_entry(cache, owner)->heat, memory_order_relaxed)
                  : 0;
        price += owner ? (queue_bytes(cache, owner) + REQUEST_PRICE) * (1u + heat) : 0;
    }
    return price;
}

static uint32_t evict_page(struct cache *cache, uint32_t shard, uint32_t page)
{
    uint32_t count = 0;
    bool last;
    for (uint32_t i = 0, owner; owner = goer(cache, shard, page, i, &last), !last; i++) {
        if (owner) {
            evict(cache, shard, owner);
            count++;
        }
    }
    return count;
}

/* Of the least used pages the one that costs least. Pages with unfinished fills or pinned objects
 * may have nothing that can go. */
static uint32_t evict_sparse(struct cache *cache, uint32_t shard)
{
    uint32_t best = 0, page;
    uint64_t least = UINT64_MAX;
    for (uint32_t n = 0; n < SPARSE_TRIES && (page = slab_sparse(cache, shard, n)) != 0; n++) {
        uint64_t price = page_price(cache, shard, page);
        if (price > 0 && price < least) {
            least = price;
            best = page;
        }
    }
    return best ? evict_page(cache, shard, best) : 0;
}

static uint32_t evict_policy(struct cache *cache, uint32_t number)
{
    struct store_shard_shm *shard = &cache->shards[number];
    uint64_t bytes = 0;
    uint32_t count = 0, ref;
    while (count < BATCH_OBJECTS && bytes < BATCH_BYTES &&
           (ref = queue_victim(cache, shard)) != 0) {
        bytes += queue_bytes(cache, ref);
        evict(cache, number, ref);
        count++;
    }
    return count;
}

bool evict_some(struct cache *cache, uint32_t number)
{
    struct store_shard_shm *shard = &cache->shards[number];
    uint32_t count = 0;
    if (evict_reclaim(cache, number) > 0)
        return true;
    queue_sync(cache, shard);
    if (shard->lists[QUEUE_DEAD].count == 0 && slab_idle(cache, number))
        count = evict_sparse(cache, number);
    if (count == 0)
        count = evict_policy(cache, number);
    if (count > 0)
        evict_reclaim(cache, number);
    return count > 0;
}
