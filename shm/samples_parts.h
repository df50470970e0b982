/* SPDX-License-Identifier: Apache-2.0 */
/* The ring of samples in shared memory, and how events get into it. For the files behind
 * shm/cache.h only. */
#ifndef SHM_SAMPLES_PARTS_H
#define SHM_SAMPLES_PARTS_H

#include "shm/samples.h"
#include "shm/store.h"

struct samples_event_shm {
    _Atomic uint64_t number; /* 1 + its place in the stream; 0: being written */
    _Atomic uint64_t id;
    _Atomic uint32_t size; /* in SAMPLES_UNIT bytes << 2 | enum samples_kind */
    _Atomic uint32_t until;
};
_Static_assert(sizeof(struct samples_event_shm) == 24, "layout");

struct samples_shm {
    _Atomic uint32_t below;                             /* ids whose hash is below are sampled */
    _Atomic uint64_t head __attribute__((aligned(64))); /* events so far */
    struct samples_event_shm ring[] __attribute__((aligned(64)));
};

/* A fresh ring. */
void samples_format(struct cache *cache);

/* Is the object with that id sampled? */
static inline bool samples_has(const struct cache *cache, const uint8_t id[CACHE_ID_SIZE])
{
    uint64_t half;
    __builtin_memcpy(&half, id + 8, sizeof half);
    return samples_hash(half) < atomic_load_explicit(&cache->samples->below, memory_order_relaxed);
}

/* An event of a sampled entry. */
void samples_note(const struct cache *cache, const struct cache_entry_shm *entry,
                  enum samples_kind kind);

#endif
