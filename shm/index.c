/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changes of the index. Each is one 8-byte store of a slot, or one store of a link, so a death
 * leaves at most an overflow bucket that is in no chain. A chain is not moved together when a slot
 * of it empties: an overflow bucket leaves the chain when its last slot does. Its link keeps
 * leading somewhere into the free list then, all of it buckets; the readers' number of hops is
 * bounded.
 */
#include "shm/index.h"
#include "shm/assert.h"
#include "shm/store.h"
#include <string.h>

enum { PER_PAGE = PAGES_SIZE / (int)sizeof(struct index_bucket_shm), BUCKET_UNITS = 2 };

static struct index_bucket_shm *next_of(const struct cache *cache,
                                        const struct index_bucket_shm *bucket)
{
    uint32_t next = atomic_load_explicit(&bucket->next, memory_order_acquire);
    return next ? store_at(cache, next) : NULL;
}

static uint32_t bucket_ref(const struct cache *cache, const struct index_bucket_shm *bucket)
{
    return (uint32_t)((uint64_t)((const char *)bucket - cache->base) / SLAB_UNIT);
}

static uint64_t slot_get(const struct index_bucket_shm *bucket, int i)
{
    return atomic_load_explicit(&bucket->slot[i], memory_order_relaxed);
}

static void slot_set(struct index_bucket_shm *bucket, int i, uint64_t value)
{
    CRASH_POINT();
    atomic_store_explicit(&bucket->slot[i], value, memory_order_release);
    CRASH_POINT();
}

struct found {
    struct index_bucket_shm *bucket,
        *before; /* before: the one that links to it, NULL = the first one */
    int slot;
};

static bool same_id(const struct cache *cache, uint64_t slot, const uint8_t *id)
{
    return memcmp(store_entry(cache, (uint32_t)slot)->id, id, CACHE_ID_SIZE) == 0;
}

/* Where the slot with that id is; without an id: the first empty slot. */
static bool find(const struct cache *cache, struct index_place place, const uint8_t *id,
                 struct found *out)
{
    struct index_bucket_shm *bucket = &cache->buckets[place.bucket], *before = NULL;
    for (; bucket; before = bucket, bucket = next_of(cache, bucket)) {
        for (int i = 0; i < INDEX_SLOTS; i++) {
            uint64_t slot = slot_get(bucket, i);
            bool hit =
                id ? slot != 0 && slot >> 32 == place.tag && same_id(cache, slot, id) : slot == 0;
            if (!hit)
                continue;
            *out = (struct found){ bucket, before, i };
            return true;
        }
    }
    return false;
}

static struct index_bucket_shm *carve(struct cache *cache, struct store_shard_shm *shard,
                                      uint32_t number)
{
    uint32_t page = shard->index_page;
    if (page == 0 || store_row(cache, page)->carved == PER_PAGE) {
        page = pages_take(cache, pages_owner(PAGES_INDEX, 0, number));
        if (page == 0)
            return NULL;
        store_row(cache, page)->carved = 0;
        CRASH_POINT();
        shard->index_page = page;
    }
    uint32_t i = store_row(cache, page)->carved;
    struct index_bucket_shm *bucket = store_at(cache, page * SLAB_UNITS + i * BUCKET_UNITS);
    memset(bucket, 0, sizeof *bucket);
    CRASH_POINT();
    store_row(cache, page)->carved++;
    return bucket;
}

static struct index_bucket_shm *new_bucket(struct cache *cache, uint32_t number)
{
    struct store_shard_shm *shard = &cache->shards[number];
    if (shard->index_free == 0)
        return carve(cache, shard, number);
    struct index_bucket_shm *bucket = store_at(cache, shard->index_free);
    bucket->mark = 0; /* the one that it was left with may come round again */
    shard->index_free = atomic_load_explicit(&bucket->next, memory_order_relaxed);
    CRASH_POINT();
    atomic_store_explicit(&bucket->next, 0, memory_order_release);
    return bucket;
}

static void free_bucket(struct cache *cache, struct store_shard_shm *shard,
                        struct index_bucket_shm *bucket)
{
    atomic_store_explicit(&bucket->next, shard->index_free, memory_order_release);
    CRASH_POINT();
    shard->index_free = bucket_ref(cache, bucket);
}

static struct index_bucket_shm *last_bucket(const struct cache *cache, uint32_t first,
                                            uint32_t *length)
{
    struct index_bucket_shm *bucket = &cache->buckets[first], *next;
    for (*length = 1; (next = next_of(cache, bucket)) != NULL; bucket = next)
        ++*length;
    return bucket;
}

/* One more bucket at the end of the chain, with the entry in it. */
static bool grow(struct cache *cache, struct index_place place, uint64_t value)
{
    uint32_t length;
    struct index_bucket_shm *last = last_bucket(cache, place.bucket, &length);
    struct index_bucket_shm *bucket = length < INDEX_HOPS ? new_bucket(cache, place.shard) : NULL;
    if (!bucket)
        return false;
    slot_set(bucket, 0, value);
    atomic_store_explicit(&last->next, bucket_ref(cache, bucket), memory_order_release);
    CRASH_POINT();
    return true;
}

enum index_result index_put(struct cache *cache, uint32_t ref, bool force, uint32_t *old)
{
    const uint8_t *id = store_entry(cache, ref)->id;
    struct index_place place = store_place(cache, id);
    uint64_t value = (uint64_t)place.tag << 32 | ref;
    struct found at;
    *old = 0;
    if (find(cache, place, id, &at)) {
        *old = (uint32_t)slot_get(at.bucket, at.slot);
        slot_set(at.bucket, at.slot, value);
        return INDEX_REPLACED;
    }
    if (find(cache, place, NULL, &at)) {
        slot_set(at.bucket, at.slot, value);
        return INDEX_ADDED;
    }
    if (grow(cache, place, value))
        return INDEX_ADDED;
    if (!force)
        return INDEX_FULL;
    struct index_bucket_shm *bucket = &cache->buckets[place.bucket];
    int victim = (int)(place.tag % INDEX_SLOTS);
    *old = (uint32_t)slot_get(bucket, victim);
    slot_set(bucket, victim, value);
    return INDEX_REPLACED;
}

static bool is_empty(const struct index_bucket_shm *bucket)
{
    uint64_t all = 0;
    for (int i = 0; i < INDEX_SLOTS; i++)
        all |= slot_get(bucket, i);
    return all == 0;
}

bool index_drop(struct cache *cache, uint32_t ref)
{
    const uint8_t *id = store_entry(cache, ref)->id;
    struct index_place place = store_place(cache, id);
    struct found at;
    if (!find(cache, place, id, &at) || (uint32_t)slot_get(at.bucket, at.slot) != ref)
        return false;
    slot_set(at.bucket, at.slot, 0);
    if (!at.before || !is_empty(at.bucket))
        return true;
    uint32_t next = atomic_load_explicit(&at.bucket->next, memory_order_relaxed);
    atomic_store_explicit(&at.before->next, next, memory_order_release);
    CRASH_POINT();
    free_bucket(cache, &cache->shards[place.shard], at.bucket);
    return true;
}

uint32_t index_get(const struct cache *cache, const uint8_t *id)
{
    struct found at;
    return find(cache, store_place(cache, id), id, &at) ? (uint32_t)slot_get(at.bucket, at.slot)
                                                        : 0;
}

static bool bucket_valid(const struct cache *cache, uint32_t shard, uint32_t ref)
{
    uint32_t page = store_page(ref);
    if (page < cache->g.first || page - cache->g.first >= cache->g.pages || ref % BUCKET_UNITS)
        return false;
    const struct pages_row_shm *row = store_row(cache, page);
    uint32_t owner = atomic_load_explicit(&row->owner, memory_order_acquire);
    return owner == pages_owner(PAGES_INDEX, 0, shard) &&
           ref % SLAB_UNITS / BUCKET_UNITS < row->carved;
}

/* What a slot of that bucket leads to is an entry, and one that belongs there. */
static bool slot_valid(const struct cache *cache, uint32_t shard, uint32_t bucket, uint64_t slot)
{
    uint32_t ref = (uint32_t)slot;
    if (!slab_valid(cache, shard, ref))
        return false;
    const struct cache_entry_shm *entry = store_entry(cache, ref);
    struct index_place place = store_place(cache, entry->id);
    return atomic_load_explicit(&entry->chunk.owner, memory_order_relaxed) == ref &&
           place.bucket == bucket && place.tag == slot >> 32;
}

static void repair_bucket(struct cache *cache, uint32_t shard, uint32_t first,
                          struct index_bucket_shm *bucket)
{
    uint16_t mark = cache->shards[shard].marks;
    bucket->mark = mark;
    for (int i = 0; i < INDEX_SLOTS; i++) {
        uint64_t slot = slot_get(bucket, i);
        if (slot == 0)
            continue;
        struct slab_chunk_shm *chunk = store_chunk(cache, (uint32_t)slot);
        if (!slot_valid(cache, shard, first, slot) || chunk->mark == mark)
            slot_set(bucket, i, 0);
        else
            chunk->mark = mark;
    }
    uint32_t next = atomic_load_explicit(&bucket->next, memory_order_relaxed);
    if (next != 0 && (!bucket_valid(cache, shard, next) ||
                      ((struct index_bucket_shm *)store_at(cache, next))->mark == mark))
        atomic_store_explicit(&bucket->next, 0, memory_order_release);
}

/* Overflow buckets that no chain led to, with nothing in them any more, become the free list. */
static void repair_free(struct cache *cache, uint32_t number, uint32_t page)
{
    struct store_shard_shm *shard = &cache->shards[number];
    if (store_row(cache, page)->carved < PER_PAGE)
        shard->index_page = page;
    for (uint32_t i = 0; i < store_row(cache, page)->carved; i++) {
        struct index_bucket_shm *bucket = store_at(cache, page * SLAB_UNITS + i * BUCKET_UNITS);
        if (bucket->mark == shard->marks)
            continue;
        for (int k = 0; k < INDEX_SLOTS; k++)
            slot_set(bucket, k, 0);
        free_bucket(cache, shard, bucket);
    }
}

void index_repair(struct cache *cache, uint32_t shard)
{
    uint32_t first = shard * cache->g.buckets;
    for (uint32_t i = first; i < first + cache->g.buckets; i++) {
        for (struct index_bucket_shm *b = &cache->buckets[i]; b; b = next_of(cache, b))
            repair_bucket(cache, shard, i, b);
    }
    cache->shards[shard].index_free = cache->shards[shard].index_page = 0;
    for (uint32_t i = 0; i < cache->g.pages; i++) {
        uint32_t owner = atomic_load_explicit(&cache->pages[i].owner, memory_order_acquire);
        if (owner == pages_owner(PAGES_INDEX, 0, shard))
            repair_free(cache, shard, cache->g.first + i);
    }
}

static const char *chain_fault(struct cache *cache, uint32_t shard, uint32_t first,
                               uint64_t *entries)
{
    uint16_t mark = cache->shards[shard].marks;
    uint32_t hops = 0;
    for (struct index_bucket_shm *b = &cache->buckets[first]; b; b = next_of(cache, b)) {
        if (hops++ > 0 && (!bucket_valid(cache, shard, bucket_ref(cache, b)) || is_empty(b)))
            return "an overflow bucket is not one of the shard's, or is empty";
        if (hops > INDEX_HOPS)
            return "a chain of buckets is too long";
        for (int i = 0; i < INDEX_SLOTS; i++) {
            uint64_t slot = slot_get(b, i);
            if (slot == 0)
                continue;
            if (!slot_valid(cache, shard, first, slot))
                return "a slot of the index leads to no entry, or to one that belongs elsewhere";
            if (store_chunk(cache, (uint32_t)slot)->mark == mark)
                return "an entry is in the index twice";
            store_chunk(cache, (uint32_t)slot)->mark = mark;
            ++*entries;
        }
        b->mark = mark;
    }
    return NULL;
}

const char *index_fault(struct cache *cache, uint32_t shard, uint64_t *entries)
{
    uint32_t first = shard * cache->g.buckets, free = 0, carved = 0, reached = 0;
    uint16_t mark = cache->shards[shard].marks;
    for (uint32_t i = first; i < first + cache->g.buckets; i++) {
        const char *fault = chain_fault(cache, shard, i, entries);
        if (fault)
            return fault;
    }
    for (uint32_t i = 0; i < cache->g.pages; i++) {
        uint32_t owner = atomic_load_explicit(&cache->pages[i].owner, memory_order_acquire);
        if (owner != pages_owner(PAGES_INDEX, 0, shard))
            continue;
        carved += cache->pages[i].carved;
        for (uint32_t k = 0; k < cache->pages[i].carved; k++) {
            uint32_t ref = (cache->g.first + i) * SLAB_UNITS + k * BUCKET_UNITS;
            reached += ((struct index_bucket_shm *)store_at(cache, ref))->mark == mark;
        }
    }
    for (uint32_t ref = cache->shards[shard].index_free; ref != 0; free++) {
        if (!bucket_valid(cache, shard, ref) || free > carved)
            return "the list of free overflow buckets is broken";
        ref = atomic_load_explicit(&((struct index_bucket_shm *)store_at(cache, ref))->next,
                                   memory_order_relaxed);
    }
    return reached + free == carved ? NULL : "an overflow bucket is lost";
}
