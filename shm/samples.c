/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A writer takes a place in the stream by one atomic addition, marks the slot as being written,
 * fills it, and publishes its number last. A reader takes only what carries the number that it
 * expects, before and after. Two writers that meet in a slot, a whole ring apart, may mix their
 * events: what a reader gets is then a wrong sample, which harms nobody.
 */
#include "shm/samples_parts.h"

enum { TYPICAL_BYTES = 16384, TYPICAL_OBJECTS = 8192, KIND_BITS = 2 };

static uint64_t id_of(const struct cache_entry_shm *entry)
{
    uint64_t half;
    __builtin_memcpy(&half, entry->id + 8, sizeof half);
    return half;
}

/* So many that a few thousand of a full dictionary are sampled, if its objects are of usual size.
 */
void samples_format(struct cache *cache)
{
    uint64_t objects = (uint64_t)cache->g.pages * PAGES_SIZE / TYPICAL_BYTES, every;
    every = objects / TYPICAL_OBJECTS;
    every = every < SAMPLES_FEWEST ? SAMPLES_FEWEST : every;
    atomic_store(&cache->samples->below, (uint32_t)((UINT64_C(1) << 32) / every));
    atomic_store(&cache->samples->head, 0);
}

uint32_t samples_below(const struct cache *cache)
{
    return atomic_load_explicit(&cache->samples->below, memory_order_relaxed);
}

void samples_lower(const struct cache *cache, uint32_t below)
{
    if (below < samples_below(cache))
        atomic_store_explicit(&cache->samples->below, below, memory_order_relaxed);
}

void samples_note(const struct cache *cache, const struct cache_entry_shm *entry,
                  enum samples_kind kind)
{
    uint64_t bytes = sizeof *entry + entry->key_n + entry->head_n + entry->body_n;
    uint64_t units = (bytes + SAMPLES_UNIT - 1) / SAMPLES_UNIT;
    int64_t until = store_meta(cache, entry)->keep_until;
    uint64_t number = atomic_fetch_add_explicit(&cache->samples->head, 1, memory_order_relaxed);
    struct samples_event_shm *event = &cache->samples->ring[number % cache->g.samples];
    if (units > UINT32_MAX >> KIND_BITS)
        units = UINT32_MAX >> KIND_BITS;
    atomic_store_explicit(&event->number, 0, memory_order_relaxed);
    atomic_thread_fence(memory_order_release); /* who sees any of the rest sees the 0 */
    atomic_store_explicit(&event->id, id_of(entry), memory_order_relaxed);
    atomic_store_explicit(&event->size, (uint32_t)units << KIND_BITS | (uint32_t)kind,
                          memory_order_relaxed);
    atomic_store_explicit(&event->until, until > UINT32_MAX ? UINT32_MAX : (uint32_t)until,
                          memory_order_relaxed);
    atomic_store_explicit(&event->number, number + 1, memory_order_release);
}

static bool read_one(const struct samples_event_shm *event, uint64_t number,
                     struct samples_event *out)
{
    if (atomic_load_explicit(&event->number, memory_order_acquire) != number + 1)
        return false;
    uint32_t size = atomic_load_explicit(&event->size, memory_order_relaxed);
    out->id = atomic_load_explicit(&event->id, memory_order_relaxed);
    out->until = atomic_load_explicit(&event->until, memory_order_relaxed);
    out->bytes = (uint64_t)(size >> KIND_BITS) * SAMPLES_UNIT;
    out->kind = (enum samples_kind)(size & ((1u << KIND_BITS) - 1));
    atomic_thread_fence(memory_order_acquire);
    return atomic_load_explicit(&event->number, memory_order_relaxed) == number + 1;
}

uint64_t samples_now(const struct cache *cache)
{
    return atomic_load_explicit(&cache->samples->head, memory_order_acquire);
}

uint32_t samples_read(const struct cache *cache, uint64_t *at, struct samples_event *out,
                      uint32_t max, uint64_t *lost)
{
    uint64_t head = samples_now(cache), room = cache->g.samples;
    uint32_t n = 0;
    if (head < *at) /* nobody takes events away: a ring that is not the one it was */
        *at = head;
    if (head - *at > room) { /* half a ring ahead of those who write on */
        *lost += head - *at - room / 2;
        *at = head - room / 2;
    }
    for (; *at < head && n < max; ++*at) {
        if (read_one(&cache->samples->ring[*at % room], *at, &out[n]))
            n++;
        else
            ++*lost;
    }
    return n;
}
