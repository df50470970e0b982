/* SPDX-License-Identifier: Apache-2.0 */
/* A stored object in shared memory, and the heads that it got later. For the files behind
 * shm/cache.h only. */
#ifndef SHM_ENTRY_H
#define SHM_ENTRY_H

#include "shm/board.h"
#include "shm/cache.h"
#include "shm/slab.h"

/* What is stored: header, key, head, and as much of the body as the first chunk has room for. */
struct cache_entry_shm {
    struct slab_chunk_shm chunk;
    uint32_t generation; /* of purge_all when its fill began; 0: must not be published */
    uint8_t id[CACHE_ID_SIZE];
    _Atomic uint32_t hits; /* approximate: counted in larger steps as it grows */
    _Atomic uint8_t
        heat;     /* recent hits, for the order of eviction; written by readers without a lock */
    uint8_t slot; /* who fills it */
    _Atomic uint8_t list; /* enum queue_list */
    uint8_t kind;         /* 0: an object */
    uint16_t key_n, head_n;
    _Atomic uint32_t head_ref; /* heads that came later (cache_update.c), newest first; 0 = none */
    uint64_t body_n;
    uint32_t prev, next; /* neighbours on its list */
    struct cache_meta meta;
    char text[]; /* key, head, body */
};
_Static_assert(sizeof(struct cache_entry_shm) == 128, "layout");
_Static_assert(BOARD_SLOTS <= 256, "an entry names its slot in one byte");

/* A head that took the place of the entry's own. Its chunk's `used` is 0: it is no part of the
 * body.
 */
struct cache_head_shm {
    struct slab_chunk_shm chunk; /* next: the head that was there before */
    uint32_t head_n;
    struct cache_meta meta;
    char text[];
};
_Static_assert(sizeof(struct cache_head_shm) == 80, "layout");

enum { STORE_FIXED = sizeof(struct cache_entry_shm) - SLAB_HEADER };

#endif
