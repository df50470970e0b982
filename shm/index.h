/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The index: buckets of one cache line, each with seven slots of {32 bits of the id, reference},
 * read without a lock and changed under the shard's. A full bucket is continued by an overflow
 * bucket, from pages that stay the index's for good: a reader that is still in a bucket which was
 * taken out of its chain finds a bucket there, never anything else. What it finds is checked by id
 * and key, so the worst is a miss.
 */
#ifndef SHM_INDEX_H
#define SHM_INDEX_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct cache;

enum { INDEX_SLOTS = 7, INDEX_HOPS = 64 };

struct index_bucket_shm {
    _Atomic uint64_t
        slot[INDEX_SLOTS]; /* tag << 32 | reference; 0 = empty; one store publishes or removes */
    _Atomic uint32_t next; /* reference of the overflow bucket, 0 = none */
    uint32_t mark;         /* of the latest repair or audit that reached it */
};
_Static_assert(sizeof(struct index_bucket_shm) == 64, "layout");

struct index_place {
    uint32_t shard, bucket, tag;
};

enum index_result { INDEX_ADDED, INDEX_REPLACED, INDEX_FULL };

/* Publishes the entry `ref`, in place of one with the same id, whose reference lands in *old (or
 * 0). INDEX_FULL: an overflow bucket is needed and the pool of pages is empty; with `force` another
 * entry of the bucket gives way instead. */
enum index_result index_put(struct cache *cache, uint32_t ref, bool force, uint32_t *old);
/* Removes that entry; false: it is not there. */
bool index_drop(struct cache *cache, uint32_t ref);
/* The entry with that id, or 0. Under the shard's lock. */
uint32_t index_get(const struct cache *cache, const uint8_t *id);

/* Repair: drops slots that lead nowhere and cuts chains that are broken; marks the entries that are
 * reached with the shard's current mark; then all overflow buckets that are not reached become
 * free. */
void index_repair(struct cache *cache, uint32_t shard);
/* Audit: the same walk, changing nothing but marks. Returns NULL, or what is wrong; *entries grows
 * by those reached. */
const char *index_fault(struct cache *cache, uint32_t shard, uint64_t *entries);

#endif
