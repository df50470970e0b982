/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A look into a dictionary's memory, for those who want to know where the bytes are. Read without a
 * lock while others write: numbers may miss what happens meanwhile, and none of them is ever acted
 * on.
 */
#ifndef SHM_CACHE_REPORT_H
#define SHM_CACHE_REPORT_H

#include "shm/cache.h"

enum { CACHE_REPORT_CLASSES = 96 };

struct cache_report_class {
    uint32_t size;         /* bytes of a chunk */
    uint32_t pages;        /* cut into such chunks */
    uint64_t chunks, used; /* that they hold; of them in use */
};

struct cache_report_queue {
    uint64_t objects, bytes;
};

struct cache_report {
    uint64_t slab_pages, index_pages, ledger_pages, free_pages;
    uint64_t slab_bytes, slab_used; /* of the pages of objects; of their chunks in use */
    /* new ones; those that proved themselves; purged but still there; on their way out; arriving.
     * Bytes are told of the first three. */
    struct cache_report_queue small, main, dead, limbo, filling;
    uint64_t tickets, tickets_room; /* fills that others may wait for */
    uint64_t evicted_recent; /* seconds that what was evicted of late had been stored; 0: nothing
                                was */
    uint32_t classes_n;
    struct cache_report_class classes[CACHE_REPORT_CLASSES];
};

void cache_report(const struct cache *cache, struct cache_report *out);

/* Bytes of all chunks of a pinned object. */
uint64_t cache_report_object(const struct cache *cache, const struct cache_hit *hit);

#endif
