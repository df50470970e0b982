/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What changes in an object after it was published: its head and meta, when a 304 says that the
 * body still holds, and who may refresh it next.
 *
 * A new head lies in a chunk of its own, in front of a chain that begins at entry->head_ref; that
 * one store makes it the head. Readers look at head_ref once, after they have pinned the entry, so
 * what they found stays whole and never mixes with what came later. Older heads are freed by a
 * later update, once nobody pins the entry: whoever pins it after that can only find the newest.
 * Under the shard's lock, so that the entry itself cannot go meanwhile, even though the caller's
 * own pin is taken down for the look at the others'.
 */
#include "shm/assert.h"
#include "shm/room.h"
#include "shm/store.h"
#include <string.h>

enum {
    OLD_HEADS = 8,
    PUT_OFF_MAX =
        3600 /* seconds; what is put off for longer was so before the clock was set back */
};

static _Atomic uint32_t *own_pin(struct cache *cache, const struct cache_hit *hit)
{
    return hit->pin < 0 ? &cache->row->hazard : pins_cell(cache, cache->slot, (uint32_t)hit->pin);
}

static bool pinned_by_others(struct cache *cache, const struct cache_hit *hit, uint32_t ref)
{
    struct pins_set set = { 0 };
    _Atomic uint32_t *own = own_pin(cache, hit);
    must(own && atomic_load_explicit(own, memory_order_relaxed) == ref);
    atomic_store_explicit(own, 0, memory_order_seq_cst);
    pins_add(&set, ref);
    pins_scan(cache, &set);
    atomic_store_explicit(own, ref, memory_order_seq_cst);
    return set.held[0];
}

/* Frees the heads behind the newest if nobody can be reading them. Returns how many are left. */
static uint32_t drop_old(struct cache *cache, uint32_t shard, const struct cache_hit *hit,
                         uint32_t ref)
{
    struct cache_head_shm *newest = store_head(cache, store_entry(cache, ref));
    uint32_t count = 0, old;
    if (!newest)
        return 0;
    for (old = atomic_load_explicit(&newest->chunk.next, memory_order_relaxed); old != 0; count++)
        old = atomic_load_explicit(&store_chunk(cache, old)->next, memory_order_relaxed);
    if (count == 0 || pinned_by_others(cache, hit, ref))
        return count;
    while ((old = atomic_load_explicit(&newest->chunk.next, memory_order_relaxed)) != 0) {
        uint32_t next = atomic_load_explicit(&store_chunk(cache, old)->next, memory_order_relaxed);
        atomic_store_explicit(&newest->chunk.next, next, memory_order_release);
        CRASH_POINT();
        slab_give(cache, shard, old);
        CRASH_POINT();
    }
    return 0;
}

/* Only what says how long it may be used, and under which conditions: that is read word by word
 * anyway, and each old one goes with each new one. */
static void set_terms(const struct cache *cache, struct cache_entry_shm *entry,
                      const struct cache_meta *meta)
{
    struct cache_head_shm *head = store_head(cache, entry);
    struct cache_meta *now = head ? &head->meta : &entry->meta;
    __atomic_store_n(&now->stored, meta->stored, __ATOMIC_RELAXED);
    __atomic_store_n(&now->initial_age, meta->initial_age, __ATOMIC_RELAXED);
    __atomic_store_n(&now->fresh_for, meta->fresh_for, __ATOMIC_RELAXED);
    __atomic_store_n(&now->keep_until, meta->keep_until, __ATOMIC_RELAXED);
    __atomic_store_n(&now->stale_while, meta->stale_while, __ATOMIC_RELAXED);
    __atomic_store_n(&now->stale_error, meta->stale_error, __ATOMIC_RELAXED);
    __atomic_store_n(&now->flags, meta->flags, __ATOMIC_RELAXED);
    atomic_store_explicit(&now->retry_at, 0, memory_order_relaxed);
    atomic_store_explicit(&now->born, store_born(cache, meta), memory_order_relaxed);
}

/* In front of the heads that there are; the chunk is the entry's by then. */
static void put_head(struct cache *cache, uint32_t ref, uint32_t chunk,
                     const struct cache_meta *meta, struct iovec head)
{
    struct cache_entry_shm *entry = store_entry(cache, ref);
    struct cache_head_shm *new = store_at(cache, chunk);
    new->chunk.used = 0;
    new->head_n = (uint32_t)head.iov_len;
    new->meta = *meta;
    memcpy(new->text, head.iov_base, head.iov_len);
    atomic_store_explicit(&new->meta.born, store_born(cache, meta), memory_order_relaxed);
    uint32_t before = atomic_load_explicit(&entry->head_ref, memory_order_relaxed);
    atomic_store_explicit(&new->chunk.next, before, memory_order_release);
    CRASH_POINT();
    atomic_store_explicit(&new->chunk.owner, ref, memory_order_release);
    CRASH_POINT();
    atomic_store_explicit(&entry->head_ref, chunk, memory_order_release);
    CRASH_POINT();
}

/* With the shard locked: whether the pinned entry is still what the index leads to. */
static bool is_published(struct cache *cache, struct store_shard_shm *shard,
                         const struct cache_entry_shm *entry, uint32_t ref)
{
    queue_sync(cache, shard);
    return index_get(cache, entry->id) == ref && queue_of(cache, shard, ref) != QUEUE_DEAD &&
           purges_judge(cache, entry) != PURGES_DEAD;
}

static void give_back(struct cache *cache, uint32_t shard, uint32_t ref, uint32_t chunk)
{
    if (chunk == 0)
        return;
    atomic_store_explicit(&store_chunk(cache, chunk)->owner, ref, memory_order_release);
    slab_give(cache, shard, chunk);
}

bool cache_update(struct cache *cache, struct cache_hit *hit, const struct cache_meta *meta,
                  const char *head, size_t head_n)
{
    uint32_t ref = (uint32_t)((uint64_t)((const char *)hit->entry - cache->base) / SLAB_UNIT);
    uint32_t number = store_place(cache, hit->entry->id).shard, chunk = 0;
    struct cache_entry_shm *entry = store_entry(cache, ref);
    size_t size = sizeof(struct cache_head_shm) + head_n;
    if (size <= PAGES_SIZE)
        chunk = room_chunk(cache, number, slab_class(&cache->sizes, (uint32_t)size));
    if (chunk == 0)
        store_lock(cache, number);
    bool good = is_published(cache, &cache->shards[number], entry, ref);
    if (good && chunk != 0 && drop_old(cache, number, hit, ref) < OLD_HEADS) {
        put_head(cache, ref, chunk, meta, (struct iovec){ (void *)(uintptr_t)head, head_n });
    } else {
        give_back(cache, number, ref, chunk);
        if (good)
            set_terms(cache, entry, meta);
    }
    store_unlock(cache, number);
    if (good)
        cache_describe(cache, entry, hit->pin, hit);
    return good;
}

static _Atomic uint32_t *retry_at(const struct cache_hit *hit)
{
    return (_Atomic uint32_t *)(uintptr_t)&hit->meta->retry_at;
}

static bool is_later(uint32_t at, int64_t now)
{
    return at > now && at - now <= PUT_OFF_MAX;
}

bool cache_update_claim(const struct cache_hit *hit, int64_t now, int64_t until)
{
    uint32_t seen = atomic_load_explicit(retry_at(hit), memory_order_relaxed);
    return !is_later(seen, now) &&
           atomic_compare_exchange_strong(retry_at(hit), &seen, (uint32_t)until);
}

void cache_update_put_off(const struct cache_hit *hit, int64_t until)
{
    atomic_store_explicit(retry_at(hit), (uint32_t)until, memory_order_relaxed);
}

bool cache_update_is_put_off(const struct cache_hit *hit, int64_t now)
{
    return is_later(atomic_load_explicit(retry_at(hit), memory_order_relaxed), now);
}
