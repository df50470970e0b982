/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happens to a few of a dictionary's objects, for those who think about its size
 * (shm/advice.h): a ring of events of which every process writes and any may read. An object is
 * sampled by its id, all of its events or none (spatial sampling), so the others cost one
 * comparison with a number that hardly ever changes. Nobody waits for a reader: what is not read in
 * time is overwritten. Events are hints; one that a process died in is left out.
 */
#ifndef SHM_SAMPLES_H
#define SHM_SAMPLES_H

#include "shm/cache.h"

enum { SAMPLES_UNIT = 64, SAMPLES_FEWEST = 16 }; /* never more than one in so many ids */

enum samples_kind {
    SAMPLES_HIT,     /* it was asked for and there */
    SAMPLES_STORED,  /* it was not there, and is now */
    SAMPLES_EVICTED, /* it had to make room */
};

struct samples_event {
    uint64_t id;    /* half of the object's; its hash, which is compared with `below`, on top */
    uint64_t bytes; /* as eviction counts them, in whole units */
    int64_t until;  /* when it expires; seconds since 1970 */
    enum samples_kind kind;
};

static inline uint32_t samples_hash(uint64_t id)
{
    return (uint32_t)(id >> 32);
}

/* Which share of all ids is noted: 1 / 2^32 of `below`. It only ever falls. */
uint32_t samples_below(const struct cache *cache);
void samples_lower(const struct cache *cache, uint32_t below);

/* Events from *at on, at most `max`: returns how many, moves *at, adds to *lost what was
 * overwritten or torn. *at from samples_now(). */
uint32_t samples_read(const struct cache *cache, uint64_t *at, struct samples_event *out,
                      uint32_t max, uint64_t *lost);
uint64_t samples_now(const struct cache *cache);

#endif
