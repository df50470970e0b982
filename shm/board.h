/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The board of processes: one row a slot, written by the process that owns it (pid and role by the
 * master at fork), read by everyone. Slots name owners everywhere in shared memory. The last words
 * of a crashing process are left here for the master, which copies and bounds everything that it
 * reads.
 */
#ifndef SHM_BOARD_H
#define SHM_BOARD_H

#include "shm/region.h"
#include <stdatomic.h>
#include <sys/types.h>

enum { BOARD_SLOTS = 256, BOARD_VERSION = 1, BOARD_WORDS = 1024, BOARD_DOING = 64 };

enum board_state { BOARD_FREE, BOARD_STARTING, BOARD_RUNNING, BOARD_DRAINING, BOARD_DEAD };

struct board_row_shm {
    _Atomic int32_t pid;
    _Atomic uint32_t state;                         /* enum board_state */
    _Atomic uint32_t role;                          /* enum heritage_role */
    _Atomic uint32_t index;                         /* of the worker: 0..N-1 */
    _Atomic uint64_t generation;                    /* of the configuration */
    _Atomic uint64_t started;                       /* CLOCK_MONOTONIC ns */
    _Atomic uint64_t beat;                          /* last turn of the loop, CLOCK_MONOTONIC ns */
    _Atomic uint64_t connections, streams, clients; /* connections: to clients and upstreams */
    char doing[BOARD_DOING]; /* what it is doing now: a stage's name, a plugin's name */
    char words[BOARD_WORDS]; /* last words: signal, address, backtrace; "" = none */
} __attribute__((aligned(64)));

struct board_shm {
    _Atomic uint64_t generation; /* the newest configuration's */
    _Atomic uint64_t reloads, reload_failures, restarts;
    _Atomic int64_t started; /* the master: seconds since 1970 */
    struct board_row_shm rows[BOARD_SLOTS];
};

bool board_make(struct zone *zone);
struct board_shm *board_of(const struct zone *zone);

/* Master: a free slot for a new child, lowest first; -1: none. */
int board_claim(struct board_shm *board, uint32_t role, uint32_t index, uint64_t generation);
/* Master: gives a slot (of a child that was reaped, or just claimed) to its next owner, so that the
 * successor takes back what the dead one left under that slot. Clears the row; state becomes
 * BOARD_STARTING. */
void board_assign(struct board_shm *board, int slot, uint32_t role, uint32_t index,
                  uint64_t generation);
void board_release(struct board_shm *board, int slot);

/* Child: says what it does; a short literal or name, cut to fit. Async-signal-safe, one small copy.
 */
void board_doing(struct board_row_shm *row, const char *what);

/* Child: installs handlers for the fatal signals that leave last words in `row` and then let the
 * default action happen. Also used by the assertion macro of shm/assert.h. Once, after fork; `row`
 * NULL: words go to standard error. */
void board_catch(struct board_row_shm *row);

/* Master: copies the last words of a dead child, printable and terminated, into out. */
void board_words(const struct board_shm *board, int slot, char *out, size_t size);

#endif
