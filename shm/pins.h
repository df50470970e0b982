/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who reads what: each process has one hazard (the short pin that a lookup takes) and a ledger of
 * long pins. Nobody but the owner writes them; whoever wants to free entries reads those of all
 * processes first.
 */
#ifndef SHM_PINS_H
#define SHM_PINS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct cache;

enum { PINS_FEW = 32, PINS_PAGE = 16384, PINS_PAGES = 4, PINS_SET = 256, PINS_TABLE = 1024 };

struct pins_row_shm {
    _Atomic uint32_t hazard __attribute__((aligned(64))); /* reference of the entry, 0 = none */
    _Atomic uint64_t hits;                                /* found by the slot's owners so far */
    _Atomic uint32_t active __attribute__((aligned(64))); /* a process is attached */
    _Atomic uint32_t
        orphan;            /* set by the master: it died; what it left is anybody's to take back */
    _Atomic uint32_t high; /* ledger cells ever used since it attached */
    _Atomic uint32_t pages[PINS_PAGES]; /* of the ledger, past the first few cells; 0 = none */
    _Atomic uint32_t epoch; /* counted up by each death and each new owner of the slot */
    uint32_t spare[8];
    _Atomic uint32_t few[PINS_FEW];
};
_Static_assert(sizeof(struct pins_row_shm) == 256, "layout");

/* Free cells of the own ledger; process-local. */
struct pins_cells {
    uint32_t *free;
    uint32_t free_n, room, used;
};

/* A set of entries, to be asked which of them are pinned. */
struct pins_set {
    uint32_t n;
    uint32_t refs[PINS_SET];
    bool held[PINS_SET];
    uint16_t table[PINS_TABLE]; /* position + 1 */
};

bool pins_open(struct cache *cache);
void pins_close(struct cache *cache);

/* A cell of the own ledger, empty; -1: no room can be had. Takes the pool's lock at most, or makes
 * room: no lock of a shard may be held. */
int32_t pins_reserve(struct cache *cache);
/* The same, holding ref. */
int32_t pins_keep(struct cache *cache, uint32_t ref);
void pins_drop(struct cache *cache, int32_t cell);
/* A pin of that entry ends: what is not pinned may become something else, so the process forgets
 * where it was in the body. Part of pins_drop(). */
void pins_end(struct cache *cache, uint32_t ref);
/* A cell of that slot's ledger; NULL: it has no such cell. */
_Atomic uint32_t *pins_cell(struct cache *cache, uint32_t slot, uint32_t cell);

void pins_add(struct pins_set *set, uint32_t ref);
/* Finds out which entries of the set are pinned by anybody. They have to be out of the index
 * already. */
void pins_scan(struct cache *cache, struct pins_set *set);

/* Forgets all pins of a slot whose process is gone. With the attach lock held. */
void pins_forget(struct cache *cache, uint32_t slot);

#endif
