/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where things lie, computed from the size of the zone and nothing else, so that no process has to
 * trust an offset that stands in shared memory. A shard for each 64 MiB: enough that writers seldom
 * meet, few enough that the half-filled pages of its sizes do not matter. One bucket of seven slots
 * for 4 KiB: objects of 1 KiB fill about half of the slots. Pages begin at multiples of their size;
 * where a few buckets less save a page, there are a few less, which matters in small dictionaries.
 */
#include "shm/cache_ticket_parts.h"
#include "shm/repair.h"
#include "shm/samples_parts.h"

static const uint64_t smallest = UINT64_C(1) << 20, shard_bytes = UINT64_C(64) << 20,
                      largest = (uint64_t)SLAB_UNIT << 32;

enum { BODY_AT = 128, BUCKET_SPAN = 4096, BUCKETS_A_GHOST = 8, BUCKETS_SPARED = 8 };
/* Two thousandths of a zone remember what was purged: 128 Ki labels for 1 GiB. */
enum { PURGES_SPAN = 32768, PURGES_SOFT_SHARE = 4 };
enum { TICKETS_SPAN = 512 * 1024, TICKETS_MOST = 64, MARKS_SPAN = 65536 };
enum { SAMPLES_SPAN = 16384, SAMPLES_LEAST = 512, SAMPLES_MOST = 16384 };

static uint64_t aligned(uint64_t at, uint64_t to)
{
    return (at + to - 1) / to * to;
}

/* Where all of it lies with so many shards and buckets. Returns where the last of it ends. */
static uint64_t lay_out(uint64_t size, uint64_t shards, uint64_t buckets,
                        struct store_geometry *out)
{
    *out = (struct store_geometry){ .shards = (uint32_t)shards, .buckets = (uint32_t)buckets };
    out->ghosts = out->buckets / BUCKETS_A_GHOST;
    out->shards_at = BODY_AT + sizeof(struct store_shm);
    out->ghosts_at = aligned(out->shards_at + shards * sizeof(struct store_shard_shm), 64);
    out->buckets_at = out->ghosts_at + shards * out->ghosts * sizeof(struct queue_ghosts_shm);
    out->rows_at = out->buckets_at + shards * buckets * sizeof(struct index_bucket_shm);
    uint64_t sets = size / TICKETS_SPAN / shards;
    out->tickets = (uint32_t)(sets < TICKETS_MOST ? sets : TICKETS_MOST);
    out->marks = (uint32_t)(size / MARKS_SPAN / shards);
    out->tickets_at = aligned(out->rows_at + size / PAGES_SIZE * sizeof(struct pages_row_shm), 64);
    out->marks_at = out->tickets_at + shards * out->tickets * sizeof(struct store_tickets_shm);
    out->purges_at = out->marks_at + shards * out->marks * sizeof(struct store_marks_shm);
    out->purges = (uint32_t)(size / PURGES_SPAN);
    out->purges_soft = out->purges / PURGES_SOFT_SHARE;
    uint64_t labels = (uint64_t)out->purges + out->purges_soft;
    out->samples_at = aligned(out->purges_at + labels * sizeof(struct purges_bucket_shm), 64);
    uint64_t samples = size / SAMPLES_SPAN;
    samples = samples < SAMPLES_LEAST ? SAMPLES_LEAST : samples;
    out->samples = (uint32_t)(samples < SAMPLES_MOST ? samples : SAMPLES_MOST);
    return out->samples_at + sizeof(struct samples_shm) +
           out->samples * sizeof(struct samples_event_shm);
}

bool store_geometry(uint64_t size, struct store_geometry *out)
{
    if (size < smallest)
        return false;
    if (size > largest)
        size = largest;
    uint64_t shards = size / shard_bytes;
    shards = shards < 1 ? 1 : shards > STORE_SHARDS ? STORE_SHARDS : shards;
    uint64_t buckets = size / BUCKET_SPAN / shards;
    uint64_t end = lay_out(size, shards, buckets, out);
    uint64_t each = shards * sizeof(struct index_bucket_shm);
    uint64_t less = (end % PAGES_SIZE + each - 1) / each; /* to end where a page begins */
    if (less > 0 && less <= buckets / BUCKETS_SPARED)
        end = lay_out(size, shards, buckets - less, out);
    uint64_t pages_at = aligned(end, PAGES_SIZE);
    out->first = (uint32_t)(pages_at / PAGES_SIZE);
    out->pages = (uint32_t)((size - pages_at) / PAGES_SIZE);
    return true;
}

void store_view(struct cache *cache, const struct zone *zone, const struct store_geometry *geometry)
{
    cache->base = (char *)zone->shm;
    cache->shm = region_body(zone);
    cache->g = *geometry;
    cache->shards = (void *)(cache->base + geometry->shards_at);
    cache->ghosts = (void *)(cache->base + geometry->ghosts_at);
    cache->buckets = (void *)(cache->base + geometry->buckets_at);
    cache->pages = (void *)(cache->base + geometry->rows_at);
    cache->tickets = (void *)(cache->base + geometry->tickets_at);
    cache->marks = (void *)(cache->base + geometry->marks_at);
    cache->purged = (void *)(cache->base + geometry->purges_at);
    cache->samples = (void *)(cache->base + geometry->samples_at);
    slab_sizes(&cache->sizes);
}

struct store_shard_shm *store_lock(struct cache *cache, uint32_t shard)
{
    struct lock_shm *lock = &cache->shm->shard_lock[shard].lock;
    if (lock_take(lock, cache->slot) == LOCK_SUSPECT) {
        repair_shard(cache, shard);
        lock_sound(lock);
    }
    CRASH_POINT();
    return &cache->shards[shard];
}

void store_unlock(struct cache *cache, uint32_t shard)
{
    CRASH_POINT();
    lock_give(&cache->shm->shard_lock[shard].lock, cache->slot);
}
