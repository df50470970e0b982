/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mark and sweep. What cannot be half done is the truth: a slot of the index, the owner and the
 * link of a chunk, the owner of a page, each one store. From it follows all else:
 *
 * - an entry that the index leads to is published, whatever list it says it is on;
 * - one that says it is being filled is: its process goes on with it, or its slot's next owner
 * gives it up;
 * - every other entry is in limbo: somebody may still be reading it;
 * - a chunk that no entry's chain leads to is free.
 *
 * Repair may itself be interrupted by a death: the lock stays suspect then, and the next owner
 * begins again.
 */
#include "shm/repair.h"
#include "shm/store.h"

static void forget(struct cache *cache, uint32_t number)
{
    struct store_shard_shm *shard = &cache->shards[number];
    slab_forget(cache, number);
    for (int i = 0; i < QUEUE_LISTS; i++)
        shard->lists[i] = (struct queue_shm){ 0 };
    shard->payload = 0;
    shard->limbo_next = 0;
    if (++shard->marks == 0)
        shard->marks = 1;
}

/* Marks the chunks of a chain of the entry; cuts it where it leads to what is not the entry's. */
static bool mark_chain(struct cache *cache, uint32_t shard, uint32_t ref, _Atomic uint32_t *link)
{
    uint16_t mark = cache->shards[shard].marks;
    uint32_t next;
    while ((next = atomic_load_explicit(link, memory_order_relaxed)) != 0) {
        struct slab_chunk_shm *after = store_chunk(cache, next);
        if (!slab_valid(cache, shard, next) || after->mark == mark ||
            atomic_load_explicit(&after->owner, memory_order_relaxed) != ref) {
            atomic_store_explicit(link, 0, memory_order_release);
            return false;
        }
        after->mark = mark;
        link = &after->next;
    }
    return true;
}

static void place(struct cache *cache, uint32_t number, uint32_t ref)
{
    struct store_shard_shm *shard = &cache->shards[number];
    struct cache_entry_shm *entry = store_entry(cache, ref);
    enum queue_list was = (enum queue_list)atomic_load_explicit(&entry->list, memory_order_relaxed);
    bool indexed = entry->chunk.mark == shard->marks;
    bool whole = mark_chain(cache, number, ref, &entry->chunk.next);
    whole &= mark_chain(cache, number, ref, &entry->head_ref);
    entry->chunk.mark = shard->marks;
    if (indexed && !whole) {
        (void)index_drop(cache, ref);
        indexed = false;
    }
    if (!indexed) {
        queue_push(cache, shard, was == QUEUE_FILLS ? QUEUE_FILLS : QUEUE_LIMBO, ref);
        return;
    }
    shard->payload += entry->key_n + entry->head_n + entry->body_n;
    bool dead = entry->generation != shard->generation;
    queue_push(cache, shard, dead ? QUEUE_DEAD : was == QUEUE_MAIN ? QUEUE_MAIN : QUEUE_SMALL, ref);
}

static bool owned_by(const struct cache *cache, uint32_t page, uint32_t shard)
{
    uint32_t owner = atomic_load_explicit(&store_row(cache, page)->owner, memory_order_acquire);
    return pages_kind(owner) == PAGES_SLAB && pages_who(owner) == shard;
}

static void place_page(struct cache *cache, uint32_t shard, uint32_t page)
{
    uint32_t ref,
        owner = atomic_load_explicit(&store_row(cache, page)->owner, memory_order_acquire);
    if (pages_class(owner) == PAGES_NO_CLASS)
        return;
    for (uint32_t i = 0; (ref = slab_nth(cache, page, i)) != 0; i++) {
        if (atomic_load_explicit(&store_chunk(cache, ref)->owner, memory_order_acquire) == ref)
            place(cache, shard, ref);
    }
}

void repair_shard(struct cache *cache, uint32_t shard)
{
    forget(cache, shard);
    index_repair(cache, shard);
    for (uint32_t page = cache->g.first; page < cache->g.first + cache->g.pages; page++) {
        if (owned_by(cache, page, shard))
            place_page(cache, shard, page);
    }
    for (uint32_t page = cache->g.first; page < cache->g.first + cache->g.pages; page++) {
        if (owned_by(cache, page, shard))
            slab_recount(cache, shard, page, cache->shards[shard].marks);
    }
    cache->shards[shard].repairs++;
}
