/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How entries leave: out of the index, through limbo, and back to the slab once nobody reads them.
 * All of it under the lock of the entry's shard.
 */
#ifndef SHM_EVICT_H
#define SHM_EVICT_H

#include <stdbool.h>
#include <stdint.h>

struct cache;

/* A shard's evicted_seconds: the sum; evicted_recent: a moving mean of the latest, times this. */
enum { EVICT_RECENT_SCALE = 64 };

/* Takes a published entry out of the index and puts it in limbo. */
void evict_unlink(struct cache *cache, uint32_t shard, uint32_t ref);
/* The same for one that is not in the index any more (it was replaced), or never was (a fill that
 * is given up). */
void evict_retire(struct cache *cache, uint32_t shard, uint32_t ref);

/* A published entry that no request may be answered with any more: purged, or past keep_until. */
bool evict_is_dead(const struct cache *cache, uint32_t shard, uint32_t ref);
/* Takes such a one out. */
void evict_bury(struct cache *cache, uint32_t shard, uint32_t ref);

/* Frees what is in limbo and not pinned. Returns how many chunks came back. */
uint32_t evict_reclaim(struct cache *cache, uint32_t shard);
/* The same when enough is in limbo to be worth a look at the pins. */
void evict_tidy(struct cache *cache, uint32_t shard);

/* Makes some room; false: nothing in this shard can go. */
bool evict_some(struct cache *cache, uint32_t shard);

#endif
