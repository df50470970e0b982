/* SPDX-License-Identifier: Apache-2.0 */
/* Purges in shared memory. For the files behind shm/cache.h only. */
#ifndef SHM_PURGES_PARTS_H
#define SHM_PURGES_PARTS_H

#include "shm/lock.h"
#include "shm/purges.h"

enum { PURGES_WAYS = 4 };

struct purges_bucket_shm {
    _Atomic uint64_t floor; /* the latest purge that was forgotten here */
    _Atomic uint64_t sequence[PURGES_WAYS];
    _Atomic uint32_t tag[PURGES_WAYS]; /* of the label; 0 = free */
    uint64_t spare;
};
_Static_assert(sizeof(struct purges_bucket_shm) == 64, "layout");

struct purges_shm {
    /* purges so far, and 1: a line that all read at each hit, and that changes with purges alone */
    _Atomic uint64_t sequence __attribute__((aligned(64)));
    _Atomic uint64_t last[PURGES_FORCES][PURGES_KINDS] __attribute__((aligned(64)));
    _Atomic uint64_t lengths[2][PURGES_PREFIX_MAX + 1]; /* the latest of PREFIX, of PATH, by length
                                                         */
    struct lock_shm lock __attribute__((aligned(64)));
    _Atomic uint64_t swept; /* buckets of the index, over all passes: cache_sweep_pace() */
} __attribute__((aligned(64)));

struct cache_entry_shm;

/* The same as purges_since(), of a pinned entry that may be used; moves its `born` on. */
enum purges_verdict purges_judge(const struct cache *cache, const struct cache_entry_shm *entry);

#endif
