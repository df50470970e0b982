/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A futex mutex whose word names its owner. Taking a free lock is one compare-and-swap; a waiter
 * spins shortly, since a lock is held for less than a microsecond as a rule, and then sleeps. The
 * high bit says that somebody may be asleep.
 *
 * Deaths: a process that dies as the owner is seen in the word; the master marks the lock suspect,
 * frees it and wakes all. A process that dies (or is stopped) between being woken and taking the
 * lock would swallow the one wake-up that was meant for a waiter; so lock_break() wakes whoever
 * sleeps in any case, and a sleep is bounded, after which the word is looked at again. The futex is
 * not a private one: its key is the page of the memfd, the same in all processes.
 */
#include "shm/lock.h"
#include "shm/assert.h"
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define SLEEPERS 0x80000000u /* somebody sleeps, or may do so */

enum { SPINS = 128, NAP_NS = 20 * 1000 * 1000 };

static void relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#else
    atomic_signal_fence(memory_order_seq_cst);
#endif
}

static void nap(struct lock_shm *lock, uint32_t seen)
{
    const struct timespec limit = { .tv_sec = 0, .tv_nsec = NAP_NS };
    int saved = errno;
    /* Each way to come back (woken, changed, interrupted, timed out) means the same: look again. */
    (void)syscall(SYS_futex, &lock->word, FUTEX_WAIT, seen, &limit, NULL, 0);
    errno = saved;
}

static void wake(struct lock_shm *lock, int count)
{
    int saved = errno;
    (void)syscall(SYS_futex, &lock->word, FUTEX_WAKE, count, NULL, NULL, 0);
    errno = saved;
}

static bool swap_free(struct lock_shm *lock, uint32_t with)
{
    uint32_t none = 0;
    return atomic_compare_exchange_strong_explicit(&lock->word, &none, with, memory_order_acquire,
                                                   memory_order_relaxed);
}

static enum lock_state state_of(struct lock_shm *lock)
{
    return atomic_load_explicit(&lock->suspect, memory_order_acquire) ? LOCK_SUSPECT : LOCK_SOUND;
}

static bool spin(struct lock_shm *lock, uint32_t owner)
{
    for (int i = 0; i < SPINS; i++) {
        if (atomic_load_explicit(&lock->word, memory_order_relaxed) == 0 && swap_free(lock, owner))
            return true;
        relax();
    }
    return false;
}

/* Having slept, a process takes the lock with the bit set: it cannot know whether others sleep
 * still. */
static void sleep_for(struct lock_shm *lock, uint32_t owner)
{
    while (!swap_free(lock, owner | SLEEPERS)) {
        uint32_t word = atomic_load_explicit(&lock->word, memory_order_relaxed);
        if (word == 0)
            continue;
        if (!(word & SLEEPERS) &&
            !atomic_compare_exchange_strong_explicit(&lock->word, &word, word | SLEEPERS,
                                                     memory_order_relaxed, memory_order_relaxed))
            continue;
        nap(lock, word | SLEEPERS);
    }
}

enum lock_state lock_take(struct lock_shm *lock, uint32_t slot)
{
    uint32_t owner = slot + 1;
    uint32_t word = atomic_load_explicit(&lock->word, memory_order_relaxed);
    must((word & ~SLEEPERS) != owner);
    if (!swap_free(lock, owner) && !spin(lock, owner))
        sleep_for(lock, owner);
    return state_of(lock);
}

bool lock_try(struct lock_shm *lock, uint32_t slot, enum lock_state *state)
{
    if (!swap_free(lock, slot + 1))
        return false;
    *state = state_of(lock);
    return true;
}

void lock_sound(struct lock_shm *lock)
{
    must(atomic_load_explicit(&lock->word, memory_order_relaxed) != 0);
    atomic_store_explicit(&lock->suspect, 0, memory_order_release);
}

void lock_give(struct lock_shm *lock, uint32_t slot)
{
    uint32_t word = atomic_exchange_explicit(&lock->word, 0, memory_order_release);
    must((word & ~SLEEPERS) == slot + 1);
    if (word & SLEEPERS)
        wake(lock, 1);
}

bool lock_break(struct lock_shm *lock, uint32_t slot)
{
    uint32_t word = atomic_load_explicit(&lock->word, memory_order_relaxed);
    bool owned = (word & ~SLEEPERS) == slot + 1;
    if (owned) {
        atomic_store_explicit(&lock->suspect, 1, memory_order_release);
        atomic_store_explicit(&lock->word, 0, memory_order_release);
    }
    wake(lock, INT_MAX);
    return owned;
}
