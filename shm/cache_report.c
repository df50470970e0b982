/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sums over shards, pages and tickets. A page's class comes from the word that is the truth about
 * it; how many of its chunks are in use may be a moment old.
 */
#include "shm/cache_report.h"
#include "shm/cache_ticket_parts.h"
#include "shm/evict.h"

_Static_assert((int)CACHE_REPORT_CLASSES == (int)SLAB_CLASSES, "every class has its row");

static void count_page(const struct cache *cache, const struct pages_row_shm *row,
                       struct cache_report *out)
{
    uint32_t owner = atomic_load_explicit(&row->owner, memory_order_relaxed);
    uint32_t class = pages_class(owner);
    switch (pages_kind(owner)) {
    case PAGES_SLAB:
        out->slab_pages++;
        if (class >= out->classes_n)
            break;
        out->classes[class].pages++;
        out->classes[class].chunks += (uint32_t)SLAB_UNITS / cache->sizes.units[class];
        out->classes[class].used += __atomic_load_n(&row->used, __ATOMIC_RELAXED);
        break;
    case PAGES_INDEX:
        out->index_pages++;
        break;
    case PAGES_LEDGER:
        out->ledger_pages++;
        break;
    default:
        out->free_pages++;
        break;
    }
}

static void add_queue(struct cache_report_queue *to, const struct queue_shm *queue)
{
    to->objects += __atomic_load_n(&queue->count, __ATOMIC_RELAXED);
    to->bytes += __atomic_load_n(&queue->bytes, __ATOMIC_RELAXED);
}

/* What was published before the latest purge of everything is dead, though its list has not been
 * moved yet. */
static void add_queues(const struct cache *cache, const struct store_shard_shm *shard,
                       struct cache_report *out)
{
    bool current =
        shard->generation == atomic_load_explicit(&cache->shm->generation, memory_order_acquire);
    add_queue(current ? &out->small : &out->dead, &shard->lists[QUEUE_SMALL]);
    add_queue(current ? &out->main : &out->dead, &shard->lists[QUEUE_MAIN]);
    add_queue(&out->dead, &shard->lists[QUEUE_DEAD]);
    add_queue(&out->limbo, &shard->lists[QUEUE_LIMBO]);
    add_queue(&out->filling, &shard->lists[QUEUE_FILLS]);
}

static void count_tickets(const struct cache *cache, struct cache_report *out)
{
    uint32_t sets = cache->g.shards * cache->g.tickets;
    for (uint32_t i = 0; i < sets; i++)
        for (int way = 0; way < STORE_WAYS; way++)
            out->tickets +=
                atomic_load_explicit(&cache->tickets[i].tag[way], memory_order_relaxed) != 0;
    out->tickets_room = (uint64_t)sets * STORE_WAYS;
}

void cache_report(const struct cache *cache, struct cache_report *out)
{
    uint64_t recent = 0, shards = 0;
    *out = (struct cache_report){ .classes_n = cache->sizes.count };
    for (uint32_t i = 0; i < out->classes_n; i++)
        out->classes[i].size = (uint32_t)cache->sizes.units[i] * SLAB_UNIT;
    for (uint32_t i = 0; i < cache->g.shards; i++) {
        const struct store_shard_shm *shard = &cache->shards[i];
        out->slab_used += shard->slab.used;
        add_queues(cache, shard, out);
        recent += shard->evicted_recent;
        shards += shard->evictions > 0;
    }
    for (uint32_t i = 0; i < cache->g.pages; i++)
        count_page(cache, &cache->pages[i], out);
    out->slab_bytes = out->slab_pages * PAGES_SIZE;
    out->evicted_recent = shards ? recent / shards / EVICT_RECENT_SCALE : 0;
    count_tickets(cache, out);
}

uint64_t cache_report_object(const struct cache *cache, const struct cache_hit *hit)
{
    const struct cache_entry_shm *entry = hit->entry;
    uint32_t ref = (uint32_t)((uint64_t)((const char *)entry - cache->base) / SLAB_UNIT);
    uint32_t head = atomic_load_explicit(&entry->head_ref, memory_order_acquire);
    uint64_t bytes = head ? slab_size(cache, head) : 0;
    for (; ref != 0;
         ref = atomic_load_explicit(&store_chunk(cache, ref)->next, memory_order_acquire))
        bytes += slab_size(cache, ref);
    return bytes;
}
