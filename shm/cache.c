/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The front of the cache: format, attach, the hit path, purges. The parts behind it: store.h
 * (layout), index.c (buckets), pins.c (hazards and ledgers), cache_fill.c (new objects),
 * cache_ticket.c (who fills, and who waits), purges.c (what was purged), queue.c (order of
 * eviction), evict.c and room.c (making room), slab.c and pages.c (memory), repair.c (after a
 * death), cache_audit.c (proof).
 *
 * A hit: the bucket follows from the id; a slot with the right tag names an entry; the process says
 * in its own row that it reads that entry; a full fence; the slot is read again. If it still leads
 * there, nobody who frees memory can miss the row, and the entry stays whole until the row says
 * otherwise. Then id, key, generation and keep_until are compared in place. No lock is taken and
 * nothing that others read is written, but for two counters in the entry that change ever more
 * rarely as it is hit.
 */
#include "shm/cache.h"
#include "shm/assert.h"
#include "shm/cache_ticket_parts.h"
#include "shm/evict.h"
#include "shm/samples_parts.h"
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

enum { PIN_SHORT = -1, PIN_NONE = -2, MIN_PAGES = 4, PREFETCH_LINES = 20 };

bool cache_format(const struct zone *zone)
{
    struct store_geometry g;
    struct cache view = { 0 };
    if (!store_geometry(zone->size, &g) || g.pages < MIN_PAGES)
        return false;
    store_view(&view, zone, &g);
    for (size_t n = 0; n < STORE_SECRET;) {
        ssize_t got = getrandom(view.shm->secret + n, STORE_SECRET - n, 0);
        n += got > 0 ? (size_t)got : 0;
    }
    atomic_store(&view.shm->generation, 1);
    atomic_store(&view.shm->purged.sequence, 1);
    for (uint32_t i = 0; i < g.shards; i++)
        view.shards[i].generation = 1;
    pages_format(&view);
    samples_format(&view);
    view.shm->size = zone->size;
    return true;
}

/* With the attach lock held: what the dead owner of the slot pinned, and what it was filling. */
static void take_back(struct cache *cache, uint32_t slot)
{
    struct pins_row_shm *row = &cache->shm->rows[slot];
    cache_ticket_forget(cache, slot);
    pins_forget(cache, slot);
    for (uint32_t i = 0; i < cache->g.shards; i++) {
        struct store_shard_shm *shard = store_lock(cache, i);
        for (uint32_t ref = shard->lists[QUEUE_FILLS].head, next; ref != 0; ref = next) {
            next = store_entry(cache, ref)->next;
            if (store_entry(cache, ref)->slot == slot)
                evict_retire(cache, i, ref);
        }
        evict_reclaim(cache, i);
        store_unlock(cache, i);
    }
    atomic_store_explicit(&row->active, 0, memory_order_release);
    CRASH_POINT();
    atomic_store_explicit(&row->orphan, 0, memory_order_release);
}

static void attach_lock(struct cache *cache)
{
    struct lock_shm *lock = &cache->shm->attach.lock;
    if (lock_take(lock, cache->slot) == LOCK_SUSPECT)
        lock_sound(lock); /* guards whose turn it is, no data */
}

static void attach_unlock(struct cache *cache)
{
    lock_give(&cache->shm->attach.lock, cache->slot);
}

struct cache *cache_attach(const struct zone *zone, uint32_t slot)
{
    struct store_geometry g;
    if (slot >= BOARD_SLOTS || !store_geometry(zone->size, &g) || g.pages < MIN_PAGES)
        return NULL;
    struct cache *cache = calloc(1, sizeof *cache);
    if (!cache)
        return NULL;
    store_view(cache, zone, &g);
    cache->slot = slot;
    cache->holds = calloc((size_t)g.shards * g.tickets * STORE_WAYS, sizeof *cache->holds);
    if (cache->shm->size != zone->size || !cache->holds || !pins_open(cache)) {
        free(cache->holds);
        free(cache);
        return NULL;
    }
    cache->row = &cache->shm->rows[slot];
    attach_lock(cache);
    take_back(cache, slot);
    cache->epoch = atomic_load_explicit(&cache->row->epoch, memory_order_relaxed);
    if (atomic_load_explicit(&cache->shm->slots, memory_order_relaxed) <= slot)
        atomic_store_explicit(&cache->shm->slots, slot + 1, memory_order_release);
    atomic_store_explicit(&cache->row->active, 1, memory_order_seq_cst);
    attach_unlock(cache);
    return cache;
}

void cache_detach(struct cache **handle)
{
    struct cache *cache = *handle;
    if (!cache)
        return;
    attach_lock(cache);
    take_back(cache, cache->slot);
    attach_unlock(cache);
    pins_close(cache);
    free(cache->holds);
    free(cache);
    *handle = NULL;
}

void cache_orphans(struct cache *cache)
{
    attach_lock(cache);
    atomic_store_explicit(&cache->shm->orphans, 0, memory_order_seq_cst);
    uint32_t slots = atomic_load_explicit(&cache->shm->slots, memory_order_acquire);
    for (uint32_t slot = 0; slot < slots; slot++) {
        if (slot != cache->slot &&
            atomic_load_explicit(&cache->shm->rows[slot].orphan, memory_order_acquire))
            take_back(cache, slot);
    }
    attach_unlock(cache);
}

void cache_break(const struct zone *zone, uint32_t slot)
{
    struct store_geometry g;
    if (slot >= BOARD_SLOTS || !store_geometry(zone->size, &g))
        return;
    struct store_shm *shm = region_body(zone);
    (void)lock_break(&shm->attach.lock, slot);
    (void)lock_break(&shm->pool_lock.lock, slot);
    (void)lock_break(&shm->purged.lock, slot);
    for (uint32_t i = 0; i < g.shards; i++) {
        (void)lock_break(&shm->shard_lock[i].lock, slot);
        (void)lock_break(&shm->ticket_lock[i].lock, slot);
    }
    atomic_fetch_add_explicit(&shm->rows[slot].epoch, 1, memory_order_seq_cst);
    atomic_store_explicit(&shm->rows[slot].orphan, 1, memory_order_seq_cst);
    atomic_store_explicit(&shm->orphans, 1, memory_order_seq_cst);
}

void cache_id(const struct cache *cache, const char *key, size_t n, uint8_t id[CACHE_ID_SIZE])
{
    XXH128_hash_t hash = XXH3_128bits_withSecret(key, n, cache->shm->secret, STORE_SECRET);
    XXH128_canonical_t bytes;
    XXH128_canonicalFromHash(&bytes, hash);
    memcpy(id, bytes.digest, CACHE_ID_SIZE);
    __builtin_prefetch(&cache->buckets[store_place(cache, id).bucket]);
}

/* Among a million objects nothing of one lies in the processor's cache: entry, key, head and the
 * first kilobyte of the body are asked for at once, before the fence, instead of one after the
 * other. Where they are there already it costs a few nanoseconds. */
static void prefetch(const struct cache *cache, uint32_t ref)
{
    const char *p = store_at(cache, ref);
    for (int line = 0; line < PREFETCH_LINES; line++)
        __builtin_prefetch(p + line * 64);
}

/* The entry that the slot leads to, protected by the cell; NULL: the slot leads elsewhere by now.
 */
static struct cache_entry_shm *protect(const struct cache *cache, _Atomic uint32_t *cell,
                                       const _Atomic uint64_t *slot, uint64_t seen)
{
    atomic_store_explicit(cell, (uint32_t)seen, memory_order_release);
    atomic_thread_fence(memory_order_seq_cst);
    if (__builtin_expect(atomic_load_explicit(slot, memory_order_acquire) != seen, 0))
        return NULL;
    return store_entry(cache, (uint32_t)seen);
}

/* *verdict: whether it was purged softly. */
static bool is_visible(const struct cache *cache, const struct cache_entry_shm *entry, int64_t now,
                       enum purges_verdict *verdict)
{
    const struct cache_meta *meta = store_meta(cache, entry);
    if (entry->generation != atomic_load_explicit(&cache->shm->generation, memory_order_acquire) ||
        meta->keep_until < now)
        return false;
    *verdict = PURGES_ALIVE;
    if (__builtin_expect(
            atomic_load_explicit(&meta->born, memory_order_relaxed) < store_sequence(cache), 0))
        *verdict = purges_judge(cache, entry);
    return *verdict != PURGES_DEAD;
}

/* In the own row, which this process alone writes. */
static void count(struct cache *cache)
{
    uint64_t hits = atomic_load_explicit(&cache->row->hits, memory_order_relaxed);
    atomic_store_explicit(&cache->row->hits, hits + 1, memory_order_relaxed);
}

/* Counts a hit: each one at first, then in steps, by chance, so that a hot entry is hardly ever
 * written. */
static void touch(struct cache *cache, struct cache_entry_shm *entry)
{
    uint8_t heat = atomic_load_explicit(&entry->heat, memory_order_relaxed);
    if (heat < QUEUE_HEAT)
        atomic_store_explicit(&entry->heat, (uint8_t)(heat + 1), memory_order_relaxed);
    uint32_t hits = atomic_load_explicit(&entry->hits, memory_order_relaxed);
    uint32_t step = hits < 16 ? 1 : hits < 4096 ? 16 : 256;
    cache->dice = cache->dice * 1664525u + 1013904223u;
    if ((cache->dice >> 16 & (step - 1)) == 0 && hits < UINT32_MAX - step)
        atomic_store_explicit(&entry->hits, hits + step, memory_order_relaxed);
    count(cache);
    if (__builtin_expect(samples_has(cache, entry->id), 0))
        samples_note(cache, entry, SAMPLES_HIT);
}

void cache_describe(const struct cache *cache, const struct cache_entry_shm *entry, int32_t pin,
                    struct cache_hit *hit)
{
    const struct cache_head_shm *head = store_head(cache, entry);
    hit->entry = entry;
    hit->meta = head ? &head->meta : &entry->meta;
    hit->key = entry->text;
    hit->head = head ? head->text : entry->text + entry->key_n;
    hit->key_n = entry->key_n;
    hit->head_n = head ? head->head_n : entry->head_n;
    hit->body_n = entry->body_n;
    hit->hits = atomic_load_explicit(&entry->hits, memory_order_relaxed);
    hit->soft = false;
    hit->pin = pin;
}

static bool is_same(const struct cache_entry_shm *entry, const uint8_t *id, const char *key,
                    size_t n)
{
    return memcmp(entry->id, id, CACHE_ID_SIZE) == 0 &&
           (!key || (entry->key_n == n && memcmp(entry->text, key, n) == 0));
}

/* The visible entry with that id and key, protected by the cell; NULL: none, and the cell is 0. */
static struct cache_entry_shm *look(struct cache *cache, const uint8_t *id, struct iovec key,
                                    _Atomic uint32_t *cell, enum purges_verdict *verdict)
{
    struct index_place place = store_place(cache, id);
    const struct index_bucket_shm *bucket = &cache->buckets[place.bucket];
    for (int hops = 0; hops < INDEX_HOPS; hops++) {
        for (int i = 0; i < INDEX_SLOTS; i++) {
            uint64_t slot = atomic_load_explicit(&bucket->slot[i], memory_order_acquire);
            if (slot >> 32 != place.tag || slot == 0)
                continue;
            prefetch(cache, (uint32_t)slot);
            struct cache_entry_shm *entry = protect(cache, cell, &bucket->slot[i], slot);
            if (entry && is_same(entry, id, key.iov_base, key.iov_len) &&
                is_visible(cache, entry, cache->now, verdict))
                return entry;
            atomic_store_explicit(cell, 0, memory_order_release);
        }
        uint32_t next = atomic_load_explicit(&bucket->next, memory_order_acquire);
        if (next == 0)
            break;
        bucket = store_at(cache, next);
    }
    return NULL;
}

bool cache_find(struct cache *cache, const uint8_t id[CACHE_ID_SIZE], const char *key, size_t n,
                int64_t now, struct cache_hit *hit)
{
    _Atomic uint32_t *cell = &cache->row->hazard;
    int32_t pin = PIN_SHORT;
    cache->now = now;
    if (__builtin_expect(atomic_load_explicit(cell, memory_order_relaxed) != 0, 0)) {
        pin = pins_reserve(cache);
        if (pin < 0)
            return false;
        cell = pins_cell(cache, cache->slot, (uint32_t)pin);
    }
    const struct iovec text = { (void *)(uintptr_t)key, n };
    enum purges_verdict verdict;
    struct cache_entry_shm *entry = look(cache, id, text, cell, &verdict);
    if (entry) {
        if (key)
            touch(cache, entry);
        cache_describe(cache, entry, pin, hit);
        hit->soft = verdict == PURGES_STALE;
    } else if (pin != PIN_SHORT) {
        pins_drop(cache, pin);
    }
    return entry != NULL;
}

static uint32_t hit_ref(const struct cache *cache, const struct cache_hit *hit)
{
    return (uint32_t)((uint64_t)((const char *)hit->entry - cache->base) / SLAB_UNIT);
}

static void unpinned(struct cache_hit *hit)
{
    hit->entry = NULL;
    hit->pin = PIN_NONE;
}

bool cache_keep(struct cache *cache, struct cache_hit *hit)
{
    must(hit->entry);
    if (hit->pin != PIN_SHORT)
        return true;
    int32_t cell = pins_keep(cache, hit_ref(cache, hit));
    atomic_store_explicit(&cache->row->hazard, 0, memory_order_release);
    if (cell < 0) {
        pins_end(cache, hit_ref(cache, hit));
        unpinned(hit);
        return false;
    }
    hit->pin = cell;
    return true;
}

void cache_unpin(struct cache *cache, struct cache_hit *hit)
{
    if (!hit->entry)
        return;
    if (hit->pin == PIN_SHORT) {
        pins_end(cache, hit_ref(cache, hit));
        atomic_store_explicit(&cache->row->hazard, 0, memory_order_release);
    } else
        pins_drop(cache, hit->pin);
    unpinned(hit);
}

int cache_purge(struct cache *cache, const uint8_t id[CACHE_ID_SIZE])
{
    uint32_t number = store_place(cache, id).shard;
    struct store_shard_shm *shard = store_lock(cache, number);
    queue_sync(cache, shard);
    /* Fills that began before may bring what the purge was meant for. */
    for (uint32_t fill = shard->lists[QUEUE_FILLS].head; fill != 0;
         fill = store_entry(cache, fill)->next) {
        if (memcmp(store_entry(cache, fill)->id, id, CACHE_ID_SIZE) == 0)
            store_entry(cache, fill)->generation = 0;
    }
    cache_ticket_purge(cache, id);
    uint32_t ref = index_get(cache, id);
    bool seen = ref != 0 && queue_of(cache, shard, ref) != QUEUE_DEAD;
    if (ref != 0)
        evict_unlink(cache, number, ref);
    evict_tidy(cache, number);
    store_unlock(cache, number);
    atomic_fetch_add_explicit(&cache->shm->purges, 1, memory_order_relaxed);
    if (cache->twin)
        (void)cache_purge(cache->twin, id);
    return seen;
}

static uint64_t count_objects(const struct cache *cache)
{
    uint32_t generation = atomic_load_explicit(&cache->shm->generation, memory_order_acquire);
    uint64_t count = 0;
    for (uint32_t i = 0; i < cache->g.shards; i++) {
        const struct store_shard_shm *shard = &cache->shards[i];
        if (shard->generation == generation)
            count += shard->lists[QUEUE_SMALL].count + shard->lists[QUEUE_MAIN].count;
    }
    return count;
}

uint64_t cache_purge_all(struct cache *cache)
{
    static const struct purges_label all = { .kind = PURGES_ALL };
    uint64_t count = count_objects(cache);
    (void)purges_mark(cache, &all, 1, PURGES_HARD); /* what is asked for, but not yet filled */
    atomic_fetch_add_explicit(&cache->shm->generation, 1, memory_order_seq_cst);
    if (cache->twin)
        (void)cache_purge_all(cache->twin);
    return count;
}

uint64_t cache_sequence(const struct cache *cache)
{
    return store_sequence(cache);
}

static uint64_t payload_of(const struct store_shard_shm *shard)
{
    return shard->payload;
}

void cache_stats(const struct cache *cache, struct cache_stats *out)
{
    uint64_t used = 0, payload = 0;
    *out = (struct cache_stats){ .size = cache->shm->size, .pages = cache->g.pages };
    for (uint32_t i = 0; i < cache->g.shards; i++) {
        const struct store_shard_shm *shard = &cache->shards[i];
        used += shard->slab.used;
        payload += payload_of(shard);
        out->fills += shard->fills;
        out->evictions += shard->evictions;
        out->evicted_bytes += shard->evicted_bytes;
        out->no_memory += shard->no_memory;
        out->expired += shard->expired;
        out->waits += shard->waits;
        out->missed += shard->missed;
        out->evicted_seconds += shard->evicted_seconds;
    }
    for (uint32_t i = 0; i < cache->g.pages; i++) {
        enum pages_kind kind =
            pages_kind(atomic_load_explicit(&cache->pages[i].owner, memory_order_relaxed));
        used += kind == PAGES_INDEX || kind == PAGES_LEDGER ? PAGES_SIZE : 0;
    }
    for (uint32_t i = 0; i < BOARD_SLOTS; i++)
        out->hits += atomic_load_explicit(&cache->shm->rows[i].hits, memory_order_relaxed);
    out->used = used + (uint64_t)cache->g.first * PAGES_SIZE;
    out->overhead = out->used - payload;
    out->free_pages = pages_left(cache);
    out->objects = count_objects(cache);
    out->purges = atomic_load_explicit(&cache->shm->purges, memory_order_relaxed);
    out->generation = atomic_load_explicit(&cache->shm->generation, memory_order_relaxed);
}
