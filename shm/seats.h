/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Seats: how many requests of whoever a key stands for are under way at once, over all workers.
 * Each process counts its own, and who wants a seat adds up; so what a dead process held is free
 * when it is reaped. No two processes together take one too many, and a seat is refused only while
 * all are held or about to be. Taking one needs no lock but for a key that has no row yet and where
 * none seems to be free.
 */
#ifndef SHM_SEATS_H
#define SHM_SEATS_H

#include "shm/region.h"

/* Rows are for keys that have somebody under way, not for all that there ever were. */
enum { SEATS_VERSION = 1, SEATS_ROWS = 32768 };

struct seats; /* process-local handle */

/* Master, before fork; memory is used as keys come. */
bool seats_make(struct zone *zone);
/* For the process that owns `slot` on the board; NULL: no memory. */
struct seats *seats_attach(const struct zone *zone, uint32_t slot);
void seats_detach(struct seats **seats);
/* Master, after a death: gives back what that slot held, and its locks. */
void seats_forget(const struct zone *zone, uint32_t slot);

/* What stands for `who` under `scope`. Keyed, so that nobody can choose whose row is theirs. */
uint64_t seats_key(const struct seats *seats, uint64_t scope, const void *who, size_t n);

/* One of `limit` seats, until seats_give(), which takes what this returned. 0: none is free (or,
 * which SEATS_ROWS makes unlikely, there is no row for the key). */
uint32_t seats_take(struct seats *seats, uint64_t key, uint32_t limit);
void seats_give(struct seats *seats, uint32_t seat);

/* How many are taken. */
uint64_t seats_taken(const struct seats *seats, uint64_t key);

#endif
