/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The proof that nothing is lost and nothing is in two places. With the locks of all shards held:
 * the index is walked and marks what it reaches; each entry marks its chain; then every chunk in
 * use has to be marked, be an entry's that is on the list that fits, and lists, counts and sums
 * have to say the same as the chunks.
 */
#include "shm/cache_ticket_parts.h"
#include <stdio.h>

struct audit {
    struct cache *cache;
    uint32_t shard;
    uint64_t indexed, listed, entries; /* reached through the index, on lists, found in pages */
    uint64_t payload, used;
    uint32_t pages;
};

static const char *entry_chain_fault(struct audit *a, uint32_t ref, bool done)
{
    struct cache *cache = a->cache;
    const struct cache_entry_shm *entry = store_entry(cache, ref);
    struct slab_chunk_shm *chunk = store_chunk(cache, ref);
    uint16_t mark = cache->shards[a->shard].marks;
    uint64_t bytes = chunk->used;
    uint32_t next;
    if (done && SLAB_HEADER + bytes > slab_size(cache, ref))
        return "an entry is larger than its chunk";
    while ((next = atomic_load_explicit(&chunk->next, memory_order_relaxed)) != 0) {
        chunk = store_chunk(cache, next);
        if (!slab_valid(cache, a->shard, next) || chunk->mark == mark)
            return "a chain leads astray, or into another";
        if (atomic_load_explicit(&chunk->owner, memory_order_relaxed) != ref)
            return "a chain leads to what is not the entry's";
        if (done &&
            (chunk->used == 0 || SLAB_HEADER + (uint32_t)chunk->used > slab_size(cache, next)))
            return "a chunk of a body is empty, or fuller than it can be";
        chunk->mark = mark;
        bytes += chunk->used;
    }
    if (done && bytes != (uint64_t)STORE_FIXED + entry->key_n + entry->head_n + entry->body_n)
        return "a body does not have the length that the entry says";
    return NULL;
}

/* Heads that came later. */
static const char *heads_fault(const struct audit *a, uint32_t ref)
{
    struct cache *cache = a->cache;
    uint16_t mark = cache->shards[a->shard].marks;
    uint32_t head = atomic_load_explicit(&store_entry(cache, ref)->head_ref, memory_order_relaxed);
    for (; head != 0;
         head = atomic_load_explicit(&store_chunk(cache, head)->next, memory_order_relaxed)) {
        struct cache_head_shm *h = store_at(cache, head);
        if (!slab_valid(cache, a->shard, head) || h->chunk.mark == mark)
            return "a chain of heads leads astray, or into another";
        if (atomic_load_explicit(&h->chunk.owner, memory_order_relaxed) != ref)
            return "a chain of heads leads to what is not the entry's";
        if (h->chunk.used != 0 || sizeof *h + h->head_n > slab_size(cache, head))
            return "a head is larger than its chunk";
        h->chunk.mark = mark;
    }
    return NULL;
}

static const char *entry_fault(struct audit *a, uint32_t ref)
{
    struct store_shard_shm *shard = &a->cache->shards[a->shard];
    struct cache_entry_shm *entry = store_entry(a->cache, ref);
    enum queue_list list = queue_of(a->cache, shard, ref);
    bool published = list == QUEUE_SMALL || list == QUEUE_MAIN || list == QUEUE_DEAD;
    a->entries++;
    if ((entry->chunk.mark == shard->marks) != published)
        return "an entry is in the index and should not be, or the other way round";
    entry->chunk.mark = shard->marks;
    if (published)
        a->payload += entry->key_n + entry->head_n + entry->body_n;
    const char *fault = entry_chain_fault(a, ref, published);
    return fault ? fault : heads_fault(a, ref);
}

static const char *entries_fault(struct audit *a, uint32_t page)
{
    const char *fault = NULL;
    uint32_t ref;
    for (uint32_t i = 0; !fault && (ref = slab_nth(a->cache, page, i)) != 0; i++) {
        if (atomic_load_explicit(&store_chunk(a->cache, ref)->owner, memory_order_relaxed) == ref)
            fault = entry_fault(a, ref);
    }
    return fault;
}

/* Over the pages of the shard. */
static const char *each_page(struct audit *a, const char *(*check)(struct audit *a, uint32_t page))
{
    const struct store_geometry *g = &a->cache->g;
    const char *fault = NULL;
    for (uint32_t page = g->first; page < g->first + g->pages && !fault; page++) {
        uint32_t owner =
            atomic_load_explicit(&store_row(a->cache, page)->owner, memory_order_acquire);
        if (pages_kind(owner) != PAGES_SLAB || pages_who(owner) != a->shard)
            continue;
        if (pages_class(owner) >= a->cache->sizes.count)
            return "a page has no size";
        fault = check(a, page);
    }
    return fault;
}

static const char *page_fault(struct audit *a, uint32_t page)
{
    a->pages++;
    a->used += (uint64_t)store_row(a->cache, page)->used * slab_size(a->cache, page * SLAB_UNITS);
    return slab_whole(a->cache, a->shard, page, a->cache->shards[a->shard].marks)
               ? NULL
               : "a page does not know its chunks: one is lost, or free and in use";
}

static const char *sums_fault(const struct audit *a)
{
    const struct store_shard_shm *shard = &a->cache->shards[a->shard];
    const struct queue_shm *lists = shard->lists;
    if (a->entries != a->listed)
        return "an entry is on no list";
    if (a->indexed !=
        (uint64_t)lists[QUEUE_SMALL].count + lists[QUEUE_MAIN].count + lists[QUEUE_DEAD].count)
        return "the index and the queues do not hold the same";
    if (a->used != shard->slab.used ||
        a->pages != atomic_load_explicit(&shard->slab.pages, memory_order_relaxed))
        return "a shard does not know what it uses";
    if (a->payload != shard->payload)
        return "a shard does not know what it holds";
    return slab_lists_whole(a->cache, a->shard) ? NULL : "a list of pages is wrong";
}

static const char *shard_fault(struct cache *cache, uint32_t shard)
{
    struct audit a = { .cache = cache, .shard = shard };
    if (++cache->shards[shard].marks == 0)
        cache->shards[shard].marks = 1;
    const char *fault = index_fault(cache, shard, &a.indexed);
    if (!fault)
        fault = queue_fault(cache, &cache->shards[shard], &a.listed);
    if (!fault)
        fault = each_page(&a, entries_fault);
    if (!fault)
        fault = each_page(&a, page_fault);
    return fault ? fault : sums_fault(&a);
}

/* Each page is of a kind, and whose it is exists. */
static const char *rows_fault(const struct cache *cache)
{
    for (uint32_t i = 0; i < cache->g.pages; i++) {
        uint32_t owner = atomic_load_explicit(&cache->pages[i].owner, memory_order_acquire);
        uint32_t limit = pages_kind(owner) == PAGES_LEDGER ? BOARD_SLOTS : cache->g.shards;
        if (owner != 0 && (pages_kind(owner) > PAGES_LEDGER || pages_who(owner) >= limit))
            return "a page belongs to nobody";
    }
    return NULL;
}

bool cache_audit(struct cache *cache, char *why, size_t why_size)
{
    const char *fault = NULL;
    uint32_t shard = 0;
    for (uint32_t i = 0; i < cache->g.shards; i++)
        store_lock(cache, i);
    fault = rows_fault(cache);
    if (!fault && !pages_whole(cache))
        fault = "the pool does not hold what is free";
    for (; !fault && shard < cache->g.shards; shard++)
        fault = shard_fault(cache, shard);
    for (uint32_t i = cache->g.shards; i-- > 0;)
        store_unlock(cache, i);
    if (!fault)
        fault = cache_ticket_fault(cache);
    if (why_size > 0)
        (void)snprintf(why, why_size, "%s", fault ? fault : "");
    return !fault;
}
