/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The layout of a dictionary in shared memory, and the process's view of it. For the files behind
 * shm/cache.h only.
 *
 * zone header | store_shm: secret, locks, rows of pins | shards | ghosts | buckets | rows of pages
 * | tickets | marks | labels purged | pages of 64 KiB
 *
 * A dictionary is divided into shards by id; a shard has its own lock, index, lists and slab, and
 * shares nothing with others but the pool of pages. Order of locks: attach, then one shard, then
 * the pool or a shard's tickets. Only the audit takes all.
 */
#ifndef SHM_STORE_H
#define SHM_STORE_H

#include "shm/board.h"
#include "shm/cache.h"
#include "shm/entry.h"
#include "shm/index.h"
#include "shm/lock.h"
#include "shm/pins.h"
#include "shm/purges_parts.h"
#include "shm/queue.h"
#include "shm/slab.h"

/* A test that kills itself at every place where a death could tear something defines this. */
#ifndef CRASH_POINT
#define CRASH_POINT() ((void)0)
#endif

enum { STORE_SHARDS = 64, STORE_SECRET = 192, STORE_CURSORS = 64 };

struct store_lock_shm {
    struct lock_shm lock;
} __attribute__((aligned(64)));

struct store_shard_shm {
    struct slab_shm slab;
    struct queue_shm lists[QUEUE_LISTS];
    uint64_t ghost_clock; /* bytes that ever left the small queue */
    uint32_t generation;  /* that SMALL and MAIN are of */
    uint32_t limbo_next;  /* length of limbo at which the next look at the pins is worth while */
    uint32_t index_free;  /* overflow buckets: the first free one */
    uint32_t index_page;  /* and the page that new ones are carved from */
    uint16_t marks, spare[3]; /* marks: of the latest repair or audit */
    uint64_t payload;         /* bytes of key, head and body of what is published */
    uint64_t fills, evictions, evicted_bytes, no_memory, expired, repairs, waits, missed;
    uint64_t evicted_seconds, evicted_recent; /* how long it had been stored: evict.h */
} __attribute__((aligned(64)));

struct store_shm {
    uint64_t size;                /* of the zone that it was laid out for */
    _Atomic uint32_t generation;  /* of purge_all; from 1 */
    _Atomic uint32_t slots;       /* slots below this one were ever attached */
    uint8_t secret[STORE_SECRET]; /* of the hash */
    _Atomic uint32_t orphans __attribute__((aligned(64))); /* some row's orphan is set */
    _Atomic uint32_t pool_n;                               /* free pages */
    uint32_t pool;                                         /* the first of them */
    _Atomic uint64_t purges;
    struct store_lock_shm attach, pool_lock, shard_lock[STORE_SHARDS], ticket_lock[STORE_SHARDS];
    struct purges_shm purged;
    struct pins_row_shm rows[BOARD_SLOTS];
};

struct store_geometry { /* follows from the size of the zone alone */
    uint32_t shards;
    uint32_t buckets, ghosts, tickets, marks; /* in a shard */
    uint32_t first, pages, samples;           /* number of the first page, how many; events */
    uint32_t purges, purges_soft;             /* buckets of labels */
    uint64_t shards_at, rows_at, ghosts_at, buckets_at, tickets_at, marks_at, purges_at,
        samples_at; /* in the zone */
};

struct store_cursor { /* where the latest cache_body() of an entry ended */
    uint32_t ref, chunk;
    uint64_t offset;
};

struct cache { /* process-local */
    char *base;
    struct store_shm *shm;
    struct index_bucket_shm *buckets;
    struct pins_row_shm *row;
    struct store_shard_shm *shards;
    struct pages_row_shm *pages;
    struct queue_ghosts_shm *ghosts;
    struct store_tickets_shm *tickets; /* shm/cache_ticket_parts.h */
    struct store_marks_shm *marks;
    struct purges_bucket_shm *purged;
    purges_labeler *labeler;     /* may be NULL */
    struct cache *twin;          /* purged along with it; NULL: none (cache_move.h) */
    struct samples_shm *samples; /* shm/samples.h */
    struct store_geometry g;
    uint32_t slot, epoch; /* epoch: of the own row */
    uint32_t *holds;      /* handles of the own process, by ticket */
    void (*wake)(void *arg, uint32_t slot), *wake_arg;
    uint32_t dice;
    int64_t now; /* the latest time that a caller told */
    struct pins_cells cells;
    struct slab_sizes sizes;
    struct store_cursor cursors[STORE_CURSORS];
};

static inline void *store_at(const struct cache *cache, uint32_t ref)
{
    return cache->base + (uint64_t)ref * SLAB_UNIT;
}

static inline struct cache_entry_shm *store_entry(const struct cache *cache, uint32_t ref)
{
    return store_at(cache, ref);
}

static inline struct slab_chunk_shm *store_chunk(const struct cache *cache, uint32_t ref)
{
    return store_at(cache, ref);
}

static inline uint32_t store_page(uint32_t ref)
{
    return ref / SLAB_UNITS;
}

static inline struct pages_row_shm *store_row(const struct cache *cache, uint32_t page)
{
    return cache->pages + (page - cache->g.first);
}

static inline struct index_place store_place(const struct cache *cache, const uint8_t *id)
{
    uint64_t h[2];
    __builtin_memcpy(h, id, sizeof h);
    uint32_t shard = (uint32_t)((h[0] >> 32) * cache->g.shards >> 32);
    uint32_t bucket = (uint32_t)((h[0] & UINT32_MAX) * cache->g.buckets >> 32);
    return (struct index_place){ shard, shard * cache->g.buckets + bucket, (uint32_t)h[1] };
}

/* The head that holds now; NULL: the entry's own. */
static inline struct cache_head_shm *store_head(const struct cache *cache,
                                                const struct cache_entry_shm *entry)
{
    uint32_t ref = atomic_load_explicit(&entry->head_ref, memory_order_acquire);
    return __builtin_expect(ref != 0, 0) ? store_at(cache, ref) : NULL;
}

static inline const struct cache_meta *store_meta(const struct cache *cache,
                                                  const struct cache_entry_shm *entry)
{
    const struct cache_head_shm *head = store_head(cache, entry);
    return head ? &head->meta : &entry->meta;
}

/* Purges so far. */
static inline uint64_t store_sequence(const struct cache *cache)
{
    return atomic_load_explicit(&cache->shm->purged.sequence, memory_order_acquire);
}

/* What a caller says of it: now where it says nothing, or the number of another zone's purge. */
static inline uint64_t store_born(const struct cache *cache, const struct cache_meta *meta)
{
    uint64_t born = atomic_load_explicit(&meta->born, memory_order_relaxed);
    uint64_t now = store_sequence(cache);
    return born == 0 || born > now ? now : born;
}

/* Body bytes in the entry's own chunk. */
static inline uint32_t store_inline(const struct cache_entry_shm *entry)
{
    return entry->chunk.used - (uint32_t)STORE_FIXED - entry->key_n - entry->head_n;
}

/* Where everything lies in a zone of that size (false: too small); points the view there. */
bool store_geometry(uint64_t size, struct store_geometry *out);
void store_view(struct cache *cache, const struct zone *zone,
                const struct store_geometry *geometry);

/* Takes back what processes left that died and whose slots have no new owner yet. In cache.c. */
void cache_orphans(struct cache *cache);

/* What a pinned entry is, in *hit; `pin` is the cache's own. In cache.c. */
void cache_describe(const struct cache *cache, const struct cache_entry_shm *entry, int32_t pin,
                    struct cache_hit *hit);

/* The object was one in another zone: it keeps its hits, its heat and its place in the main queue.
 * Before the commit. In cache_fill.c. */
void cache_fill_moved(struct cache_fill *fill, uint32_t hits, uint8_t heat, bool main);

/* A shard's lock; what a dead owner left is repaired first. */
struct store_shard_shm *store_lock(struct cache *cache, uint32_t shard);
void store_unlock(struct cache *cache, uint32_t shard);

#endif
