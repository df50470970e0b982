/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How an object gets in. Its first chunk holds the entry, key, head and the odd part of the body,
 * whole pages follow: a body of 64 KiB is two vectors. The sizes are planned from what is expected;
 * without that they grow, and what the last chunk leaves over is given back at the end. Bytes are
 * copied outside of locks: until it is published, only its owner knows the object. From the first
 * chunk on the fill stands in its shard's list of fills under its owner's slot, and a chunk is
 * linked to it inside the critical section that took it from the slab: so nothing is lost when the
 * owner dies, and nothing half done is ever seen. Publishing is one store into the index.
 */
#include "shm/assert.h"
#include "shm/cache_ticket_parts.h"
#include "shm/evict.h"
#include "shm/room.h"
#include "shm/samples_parts.h"
#include <stdlib.h>
#include <string.h>

enum { GROW_FIRST = 4096, INDEX_ROUNDS = 4, WASTE_SHARE = 8 };

struct cache_fill {
    struct cache *cache;
    uint32_t shard, ref;
    uint32_t last, before; /* chunks of the chain: the last one, and the one that links to it */
    uint32_t room;         /* bytes left in the last one */
    uint64_t left;         /* body bytes that are still expected */
    uint64_t body_n;
    uint64_t told;    /* how much of it others know of */
    uint32_t ticket;  /* others may join it; 0: no ticket */
    bool pinned;      /* by the own process */
    bool moved, main; /* from another zone; it was in the main queue there */
    bool yields;      /* to one with the same id */
};

/* Whether a chunk of `size` bytes for `want` wastes more than it should. */
static bool wasteful(uint32_t size, uint32_t want)
{
    return size - want > want / WASTE_SHARE && size - want > SLAB_UNIT;
}

/* The class for a chunk that is to hold `want` bytes, `least` of them at once: if none fits well, a
 * smaller one, the rest will find another. */
static uint32_t fit(const struct cache *cache, uint32_t want, uint32_t least)
{
    const struct slab_sizes *sizes = &cache->sizes;
    uint32_t class = slab_class(sizes, want);
    if (!wasteful((uint32_t)sizes->units[class] * SLAB_UNIT, want))
        return class;
    uint32_t below = slab_class_below(sizes, want);
    return (uint32_t)sizes->units[below] * SLAB_UNIT > least ? below : slab_class(sizes, least);
}

static uint32_t first_class(const struct cache *cache, uint32_t least, uint64_t body)
{
    uint64_t want = least + (body + least <= PAGES_SIZE ? body : body % SLAB_PAYLOAD);
    return want <= PAGES_SIZE ? fit(cache, (uint32_t)want, least)
                              : slab_class(&cache->sizes, least);
}

static uint32_t next_class(const struct cache_fill *fill, uint64_t n)
{
    uint64_t want = fill->left;
    if (want < n) { /* more than was expected: double what there is */
        want = fill->body_n < GROW_FIRST ? GROW_FIRST : fill->body_n;
        want = want < n ? n : want;
    }
    if (want >= SLAB_PAYLOAD)
        return slab_class(&fill->cache->sizes, PAGES_SIZE);
    return fit(fill->cache, (uint32_t)want + SLAB_HEADER, SLAB_HEADER + 1);
}

static void count_no_memory(struct cache *cache, uint32_t shard)
{
    store_lock(cache, shard)->no_memory++;
    store_unlock(cache, shard);
}

/* The chunk becomes an entry that is being filled; it is the owner word that makes it one. */
static void found(struct cache_fill *fill, const uint8_t *id, uint32_t key_n, uint32_t head_n)
{
    struct cache *cache = fill->cache;
    struct cache_entry_shm *entry = store_entry(cache, fill->ref);
    entry->generation = atomic_load_explicit(&cache->shm->generation, memory_order_acquire);
    memcpy(entry->id, id, CACHE_ID_SIZE);
    atomic_store_explicit(&entry->hits, 0, memory_order_relaxed);
    atomic_store_explicit(&entry->heat, 0, memory_order_relaxed);
    atomic_store_explicit(&entry->list, QUEUE_FILLS, memory_order_relaxed);
    entry->slot = (uint8_t)cache->slot;
    entry->kind = 0;
    entry->key_n = (uint16_t)key_n;
    entry->head_n = (uint16_t)head_n;
    atomic_store_explicit(&entry->head_ref, 0, memory_order_relaxed);
    entry->body_n = 0;
    CRASH_POINT();
    atomic_store_explicit(&entry->chunk.owner, fill->ref, memory_order_release);
    CRASH_POINT();
    queue_push(cache, &cache->shards[fill->shard], QUEUE_FILLS, fill->ref);
    CRASH_POINT();
    store_unlock(cache, fill->shard);
}

/* A body that would leave too little for anything else is never stored. */
static uint64_t longest(const struct cache *cache)
{
    uint64_t all = (uint64_t)cache->g.pages * PAGES_SIZE;
    return all - all / 8;
}

static bool fits(const struct cache *cache, size_t key_n, size_t head_n, uint64_t body)
{
    return key_n <= CACHE_KEY_MAX && head_n <= UINT16_MAX &&
           sizeof(struct cache_entry_shm) + key_n + head_n <= PAGES_SIZE && body <= longest(cache);
}

static struct cache_fill *new_fill(struct cache *cache, const uint8_t *id, uint32_t least,
                                   uint64_t body)
{
    struct cache_fill *fill = malloc(sizeof *fill);
    if (!fill)
        return NULL;
    *fill =
        (struct cache_fill){ .cache = cache, .shard = store_place(cache, id).shard, .left = body };
    fill->ref = room_chunk(cache, fill->shard, first_class(cache, least, body));
    if (fill->ref == 0) {
        count_no_memory(cache, fill->shard);
        free(fill);
        return NULL;
    }
    fill->last = fill->ref;
    fill->room = slab_size(cache, fill->ref) - least;
    return fill;
}

struct cache_fill *cache_fill_begin(struct cache *cache, const uint8_t id[CACHE_ID_SIZE],
                                    const char *key, size_t key_n, const struct cache_meta *meta,
                                    const char *head, size_t head_n, uint64_t body_hint)
{
    if (!fits(cache, key_n, head_n, body_hint))
        return NULL;
    if (meta->stored > cache->now)
        cache->now = meta->stored;
    if (atomic_load_explicit(&cache->shm->orphans, memory_order_relaxed))
        cache_orphans(cache);
    uint32_t least = (uint32_t)(sizeof(struct cache_entry_shm) + key_n + head_n);
    struct cache_fill *fill = new_fill(cache, id, least, body_hint);
    if (!fill)
        return NULL;
    found(fill, id, (uint32_t)key_n, (uint32_t)head_n);
    struct cache_entry_shm *entry = store_entry(cache, fill->ref);
    CRASH_POINT();
    entry->meta = *meta;
    atomic_store_explicit(&entry->meta.born, store_born(cache, meta), memory_order_relaxed);
    memcpy(entry->text, key, key_n);
    memcpy(entry->text + key_n, head, head_n);
    entry->chunk.used = (uint16_t)(least - SLAB_HEADER);
    CRASH_POINT();
    return fill;
}

/* Another chunk at the end of the chain. */
static bool lengthen(struct cache_fill *fill, uint32_t class)
{
    struct cache *cache = fill->cache;
    uint32_t ref = room_chunk(cache, fill->shard, class);
    if (ref == 0) {
        count_no_memory(cache, fill->shard);
        return false;
    }
    atomic_store_explicit(&store_chunk(cache, ref)->owner, fill->ref, memory_order_release);
    CRASH_POINT();
    atomic_store_explicit(&store_chunk(cache, fill->last)->next, ref, memory_order_release);
    CRASH_POINT();
    store_unlock(cache, fill->shard);
    fill->before = fill->last;
    fill->last = ref;
    fill->room = slab_size(cache, ref) - SLAB_HEADER;
    return true;
}

bool cache_fill_append(struct cache_fill *fill, const void *p, size_t n)
{
    const char *from = p;
    if (n > longest(fill->cache) - fill->body_n)
        return false;
    while (n > 0) {
        if (fill->room == 0 && !lengthen(fill, next_class(fill, n)))
            return false;
        struct slab_chunk_shm *chunk = store_chunk(fill->cache, fill->last);
        uint32_t part = n < fill->room ? (uint32_t)n : fill->room;
        memcpy((char *)(chunk + 1) + chunk->used, from, part);
        __atomic_store_n(&chunk->used, (uint16_t)(chunk->used + part), __ATOMIC_RELAXED);
        fill->room -= part;
        fill->body_n += part;
        fill->left -= fill->left < part ? fill->left : part;
        from += part;
        n -= part;
        CRASH_POINT();
    }
    return true;
}

uint64_t cache_fill_size(const struct cache_fill *fill)
{
    return fill->body_n;
}

void cache_fill_moved(struct cache_fill *fill, uint32_t hits, uint8_t heat, bool main)
{
    struct cache_entry_shm *entry = store_entry(fill->cache, fill->ref);
    atomic_store_explicit(&entry->hits, hits, memory_order_relaxed);
    atomic_store_explicit(&entry->heat, heat, memory_order_relaxed);
    fill->moved = true;
    fill->main = main;
}

void cache_fill_offer(struct cache_fill *fill, uint32_t ticket, uint64_t expected)
{
    must(fill->ticket == 0);
    fill->ticket = ticket;
    cache_ticket_show(fill->cache, ticket, fill->ref, expected);
}

void cache_fill_progress(struct cache_fill *fill)
{
    cache_ticket_grow(fill->cache, fill->ticket, fill->body_n,
                      fill->body_n != fill->told || fill->body_n == 0);
    fill->told = fill->body_n;
}

bool cache_fill_pin(struct cache_fill *fill, struct cache_hit *hit)
{
    int32_t pin = pins_keep(fill->cache, fill->ref);
    if (pin < 0)
        return false;
    cache_describe(fill->cache, store_entry(fill->cache, fill->ref), pin, hit);
    fill->pinned = true;
    return true;
}

/* Whether anybody reads what is being filled: then no chunk of it may go. Nobody can join any more.
 */
static bool is_read(const struct cache_fill *fill)
{
    struct pins_set set = { 0 };
    if (fill->ticket == 0 && !fill->pinned)
        return false;
    pins_add(&set, fill->ref);
    pins_scan(fill->cache, &set);
    return set.held[0];
}

/* Swaps the last chunk for others that fit what is in it. The copy is linked behind the original
 * first, so that all of it is the fill's at any moment. False: no memory; the body is not whole. */
static bool trim(struct cache_fill *fill)
{
    struct cache *cache = fill->cache;
    uint32_t old = fill->last, before = fill->before;
    struct slab_chunk_shm *chunk = store_chunk(cache, old);
    if (old == fill->ref || !wasteful(slab_size(cache, old), chunk->used + SLAB_HEADER) ||
        is_read(fill))
        return true;
    uint64_t body_n = fill->body_n;
    fill->body_n -= chunk->used; /* it is appended once more */
    fill->left = chunk->used;
    fill->room = 0;
    if (!cache_fill_append(fill, chunk + 1, chunk->used))
        return false;
    fill->body_n = body_n;
    CRASH_POINT();
    store_lock(cache, fill->shard);
    uint32_t copy = atomic_load_explicit(&chunk->next, memory_order_relaxed);
    atomic_store_explicit(&store_chunk(cache, before)->next, copy, memory_order_release);
    CRASH_POINT();
    slab_give(cache, fill->shard, old);
    store_unlock(cache, fill->shard);
    return true;
}

/* A dictionary that could hold more might have had it. */
static void note_missed(struct cache *cache, struct store_shard_shm *shard,
                        const struct cache_entry_shm *entry)
{
    shard->missed++;
    if (samples_has(cache, entry->id))
        samples_note(cache, entry, SAMPLES_STORED);
}

/* Into the index. Only when the bucket is full, and no page for an overflow bucket can be had, does
 * another entry of the same bucket have to go for it. */
static void publish(struct cache_fill *fill)
{
    struct cache *cache = fill->cache;
    struct store_shard_shm *shard = &cache->shards[fill->shard];
    const struct cache_entry_shm *entry = store_entry(cache, fill->ref);
    enum index_result result = INDEX_FULL;
    uint32_t old = 0;
    for (int i = 0; i < INDEX_ROUNDS && result == INDEX_FULL; i++) {
        if (i > 0)
            room_pool(cache, fill->shard);
        result = index_put(cache, fill->ref, i == INDEX_ROUNDS - 1, &old);
    }
    CRASH_POINT();
    if (old != 0)
        evict_retire(cache, fill->shard, old);
    else if (!fill->moved)
        note_missed(cache, shard, entry);
    CRASH_POINT();
    queue_drop(cache, shard, fill->ref);
    CRASH_POINT();
    if (fill->moved)
        queue_push(cache, shard, fill->main ? QUEUE_MAIN : QUEUE_SMALL, fill->ref);
    else
        queue_admit(cache, shard, fill->ref);
    shard->payload += entry->key_n + entry->head_n + entry->body_n;
    shard->fills += !fill->moved;
}

void cache_fill_yield(struct cache_fill *fill)
{
    fill->yields = true;
}

/* With the shard's lock held. */
static bool is_needless(const struct cache_fill *fill)
{
    const struct cache *cache = fill->cache;
    const struct cache_entry_shm *entry = store_entry(cache, fill->ref);
    uint32_t old = fill->yields ? index_get(cache, entry->id) : 0;
    return old != 0 && !evict_is_dead(cache, fill->shard, old);
}

bool cache_fill_commit(struct cache_fill **handle)
{
    struct cache_fill *fill = *handle;
    struct cache *cache = fill->cache;
    struct cache_entry_shm *entry = store_entry(cache, fill->ref);
    cache_ticket_grow(cache, fill->ticket, fill->body_n, false);
    cache_ticket_seal(cache, fill->ticket, true);
    bool good = trim(fill);
    entry->body_n = fill->body_n;
    CRASH_POINT();
    struct store_shard_shm *shard = store_lock(cache, fill->shard);
    queue_sync(cache, shard);
    /* nobody purged it meanwhile: what is dead must not take the place of what came after */
    good = good && entry->generation == shard->generation &&
           purges_judge(cache, entry) != PURGES_DEAD && !is_needless(fill);
    if (good)
        publish(fill);
    else
        evict_retire(cache, fill->shard, fill->ref);
    evict_tidy(cache, fill->shard);
    store_unlock(cache, fill->shard);
    cache_ticket_close(cache, fill->ticket);
    free(fill);
    *handle = NULL;
    return good;
}

void cache_fill_abort(struct cache_fill **handle)
{
    struct cache_fill *fill = *handle;
    if (!fill)
        return;
    cache_ticket_seal(fill->cache, fill->ticket, false);
    store_lock(fill->cache, fill->shard);
    evict_retire(fill->cache, fill->shard, fill->ref);
    evict_reclaim(fill->cache, fill->shard);
    store_unlock(fill->cache, fill->shard);
    cache_ticket_close(fill->cache, fill->ticket);
    free(fill);
    *handle = NULL;
}
