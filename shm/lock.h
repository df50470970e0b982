/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A lock in shared memory whose word names its owner's slot on the board, so that the death of the
 * owner is seen and repaired: the master breaks the locks of a dead slot and leaves a mark, and the
 * next owner is told that what the lock guards is suspect. A lock is held for index changes only:
 * never across a copy of a body or a system call.
 */
#ifndef SHM_LOCK_H
#define SHM_LOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct lock_shm {
    _Atomic uint32_t word; /* 0 free; 1 + owner's slot; high bit: somebody sleeps (futex) */
    _Atomic uint32_t
        suspect; /* 1: the last owner died inside; cleared by the owner that repaired */
};

enum lock_state { LOCK_SOUND, LOCK_SUSPECT };

/* Spins shortly, then sleeps until it has the lock. LOCK_SUSPECT: the caller must verify or rebuild
 * what is guarded, then call lock_sound(), before it uses it. */
enum lock_state lock_take(struct lock_shm *lock, uint32_t slot);
bool lock_try(struct lock_shm *lock, uint32_t slot, enum lock_state *state);
void lock_sound(struct lock_shm *lock);
void lock_give(struct lock_shm *lock, uint32_t slot);

/* Master: if `slot` (of a process that was reaped) owns the lock, marks it suspect, frees it and
 * wakes those who wait. Touches nothing but the two words. Returns whether it did. */
bool lock_break(struct lock_shm *lock, uint32_t slot);

#endif
