/* SPDX-License-Identifier: Apache-2.0 */
/* Tickets in shared memory, and what the rest of the cache does with them. For the files behind
 * shm/cache.h only. */
#ifndef SHM_CACHE_TICKET_PARTS_H
#define SHM_CACHE_TICKET_PARTS_H

#include "shm/cache_ticket.h"
#include "shm/store.h"

/* One attempt to fill: cache_ticket.c. */
struct cache_ticket_shm {
    uint8_t id[CACHE_ID_SIZE];
    _Atomic uint32_t state;      /* enum cache_ticket_state */
    _Atomic uint32_t entry;      /* what is being filled, while FILLING */
    _Atomic uint32_t generation; /* of purge_all when it was taken; 0: purged */
    uint32_t epoch;              /* of the owner */
    uint32_t slot, status;
    _Atomic uint64_t published; /* body bytes that others may read */
    uint64_t expected;
    uint64_t born;                             /* number of the latest purge when it was taken */
    _Atomic uint64_t asleep[BOARD_SLOTS / 64]; /* who is to be woken, by slot */
    _Atomic uint64_t held[BOARD_SLOTS / 64];   /* who has handles, by slot */
};
_Static_assert(sizeof(struct cache_ticket_shm) == 128, "layout");

enum { STORE_WAYS = 16, STORE_MARKS = 8 };

/* Tickets whose ids share a set. The tag is what says that a ticket is in use. */
struct store_tickets_shm {
    _Atomic uint32_t tag[STORE_WAYS];
    struct cache_ticket_shm tickets[STORE_WAYS];
};

/* Ids that could not be stored: 32 bits of the id, and until when that is remembered. */
struct store_marks_shm {
    _Atomic uint64_t mark[STORE_MARKS];
};

/* With the lock of attach held: a new epoch for the slot, so that the tickets of its owner up to
 * now are lost; then no handle of that owner is left. */
void cache_ticket_forget(struct cache *cache, uint32_t slot);

/* A fill's own. 0 as ticket is fine. Show: the entry can be joined from here on;
 * the fill has a handle of its own. Seal: nobody joins any more, the body is whole or given up.
 * Close: what came of it, and the handle goes. */
void cache_ticket_show(struct cache *cache, uint32_t ticket, uint32_t ref, uint64_t expected);
void cache_ticket_grow(struct cache *cache, uint32_t ticket, uint64_t published, bool wake);
void cache_ticket_seal(struct cache *cache, uint32_t ticket, bool whole);
void cache_ticket_close(struct cache *cache, uint32_t ticket);

/* Audit: no ticket is in use that nobody holds. NULL or what is wrong. */
const char *cache_ticket_fault(struct cache *cache);

#endif
