/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chunks of about 90 sizes, each page cut into chunks of one size. Sizes are multiples of 32 bytes
 * up to 1440, then the 44 ways to cut a page in k equal parts: rounding costs 32 bytes or 1/k of a
 * page at most, and no page has a tail worth mentioning. What does not fit a size well is stored in
 * two chunks. A page that is empty goes back to the pool at once and may come back with another
 * size. All of this is per shard, under the shard's lock.
 *
 * A chunk names its owner, the entry that it is part of; 0 = free. That word is the truth; free
 * lists, counts and lists of pages follow from it, and are made anew by repair.c when a process
 * died while it changed them.
 */
#ifndef SHM_SLAB_H
#define SHM_SLAB_H

#include "shm/pages.h"
#include <stdbool.h>

/* A reference: an offset in the zone, in units of 32 bytes. 0 = none. So a dictionary uses 128 GiB
 * at most. */
enum { SLAB_UNIT = 32, SLAB_CLASSES = 96, SLAB_BINS = 8, SLAB_UNITS = PAGES_SIZE / SLAB_UNIT };

struct slab_chunk_shm {     /* at the start of each chunk */
    _Atomic uint32_t owner; /* the entry's reference; its own one in an entry; 0 = free */
    _Atomic uint32_t next;  /* of the chain of the object, or of the page's free list */
    uint16_t
        used; /* bytes behind this header that are in use; the owner's own until it is published */
    uint16_t mark; /* of the latest repair or audit that reached it */
};
_Static_assert(sizeof(struct slab_chunk_shm) == 12, "layout");

enum { SLAB_HEADER = sizeof(struct slab_chunk_shm), SLAB_PAYLOAD = PAGES_SIZE - SLAB_HEADER };

struct slab_shm {                   /* a shard's part */
    uint32_t partial[SLAB_CLASSES]; /* first page with room, by class */
    uint32_t bins[SLAB_BINS];       /* first page with room, by eighths of it that are in use */
    _Atomic uint32_t pages;
    uint32_t spare;
    uint64_t used; /* bytes of chunks in use */
};

struct slab_sizes {               /* process-local, the same in all processes */
    uint16_t units[SLAB_CLASSES]; /* by class */
    uint8_t up[SLAB_UNITS + 1];   /* smallest class that holds so many units */
    uint8_t count;
};

void slab_sizes(struct slab_sizes *sizes);

/* The smallest class for that many bytes, header included; the largest that is not larger. bytes <=
 * PAGES_SIZE. */
uint32_t slab_class(const struct slab_sizes *sizes, uint32_t bytes);
uint32_t slab_class_below(const struct slab_sizes *sizes, uint32_t bytes);

/* A chunk of that class, or of a slightly larger one when much is idle or the pool is empty; it is
 * still marked free: the caller sets its owner before it gives up the shard's lock. 0: neither. */
uint32_t slab_take(struct cache *cache, uint32_t shard, uint32_t class);
/* The chunk becomes free; its page goes to the pool when it was the last one. */
void slab_give(struct cache *cache, uint32_t shard, uint32_t ref);
/* Bytes of the chunk, header included. */
uint32_t slab_size(const struct cache *cache, uint32_t ref);

/* Whether more of the shard's pages than a small share lies in chunks that are free. */
bool slab_idle(const struct cache *cache, uint32_t shard);
/* The page with room that is least in use, `nth` in that order (0 = the least); 0: none. */
uint32_t slab_sparse(const struct cache *cache, uint32_t shard, uint32_t nth);
/* Chunk number `i` of a page, 0 past the last that was carved. */
uint32_t slab_nth(const struct cache *cache, uint32_t page, uint32_t i);
/* Whether ref is the start of a carved chunk of that shard. */
bool slab_valid(const struct cache *cache, uint32_t shard, uint32_t ref);

/* Repair: forgets all pages; then, page by page, the free list and the counts from the chunks:
 * those with another mark are free. The page is given back when nothing is in use. */
void slab_forget(struct cache *cache, uint32_t shard);
void slab_recount(struct cache *cache, uint32_t shard, uint32_t page, uint16_t mark);

/* Audit: whether counts, free lists and lists of pages say the same as the chunks. */
bool slab_whole(const struct cache *cache, uint32_t shard, uint32_t page, uint16_t mark);
bool slab_lists_whole(const struct cache *cache, uint32_t shard);

#endif
