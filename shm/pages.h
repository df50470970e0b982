/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pages of a dictionary: 64 KiB each, a row of facts beside each, and one pool of those that
 * are free. A page belongs to one shard's slab (objects), to a shard's index (overflow buckets) or
 * to a process's ledger (pins).
 */
#ifndef SHM_PAGES_H
#define SHM_PAGES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct cache;

enum { PAGES_SIZE = 65536, PAGES_NO_CLASS = 255 };

enum pages_kind { PAGES_FREE, PAGES_SLAB, PAGES_INDEX, PAGES_LEDGER };

/* Only `owner` is the truth; the rest follows from the chunks in the page and is made anew after a
 * death. */
struct pages_row_shm {
    _Atomic uint32_t
        owner; /* kind << 24 | class << 16 | shard or slot: one word, so that it changes at once */
    uint32_t free;               /* first free chunk, 0 = none but what was never carved */
    uint16_t used, carved;       /* chunks in use; chunks that have a header yet */
    uint32_t next, prev;         /* pages with room of the same class, or next: of the pool */
    uint32_t bin_next, bin_prev; /* pages with room that are about as full */
    uint32_t spare;
};
_Static_assert(sizeof(struct pages_row_shm) == 32, "layout");

static inline uint32_t pages_owner(enum pages_kind kind, uint32_t class, uint32_t who)
{
    return (uint32_t)kind << 24 | class << 16 | who;
}

static inline enum pages_kind pages_kind(uint32_t owner)
{
    return (enum pages_kind)(owner >> 24);
}

static inline uint32_t pages_class(uint32_t owner)
{
    return owner >> 16 & 0xff;
}

static inline uint32_t pages_who(uint32_t owner)
{
    return owner & 0xffff;
}

/* All pages are free. At format, before anybody else sees the zone. */
void pages_format(struct cache *cache);

/* A page for that owner, by its number (> 0); 0: the pool is empty. Takes the pool's lock, a leaf.
 */
uint32_t pages_take(struct cache *cache, uint32_t owner);
void pages_give(struct cache *cache, uint32_t page);

/* Gives back all pages that have exactly that owner. Nobody else may be using them. */
void pages_sweep(struct cache *cache, uint32_t owner);

/* Free pages now; read without a lock, good enough to decide by. */
uint32_t pages_left(const struct cache *cache);

/* Audit: whether the pool is exactly what is free. Takes the pool's lock. */
bool pages_whole(struct cache *cache);

#endif
