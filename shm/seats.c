/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A row is a key, and a count in each process's own array: plain stores by the owner, a sum for all
 * others. A seat is taken by counting first and adding up then, with a full barrier between: of all
 * who hold a seat the last one to count has seen the counts of all others, so their number is never
 * above the limit. Who finds too many takes his count back; since others may have done the same at
 * that moment, he asks once more under the bucket's lock, one at a time, before it is a refusal.
 *
 * A row that nobody counts in may be given to another key, under the lock: its key is marked, then
 * the counts are read, then the new key is stored. Who counts looks at the key after he has
 * counted, so that one of the two sees the other; he takes the count back if the key is not his. A
 * mark that is met under the lock was left by a death, and is taken off: the key beside it still
 * holds. What the dead had counted is zeroed when they are reaped, and nothing else can be wrong.
 */
#define XXH_INLINE_ALL
#include "shm/seats.h"
#include "shm/assert.h"
#include "shm/board.h"
#include "shm/lock.h"
#include <stdatomic.h>
#include <stdlib.h>
#include <xxhash.h>

enum { SEATS_BUCKET = 64, SEATS_LOCKS = 64, SEATS_SECRET = 192, SEATS_ASK_AGAIN = 4 };

#define MARK UINT64_C(1)

struct seats_lock_shm {
    struct lock_shm lock;
} __attribute__((aligned(64)));

struct seats_shm {
    uint8_t secret[SEATS_SECRET];
    _Atomic uint32_t slots;                 /* 1 + highest slot that ever counted */
    _Atomic uint8_t counts_in[BOARD_SLOTS]; /* by slot: its array was used */
    struct seats_lock_shm locks[SEATS_LOCKS];
    _Atomic uint64_t keys[SEATS_ROWS]; /* 0: never used; bit 0: marked */
    _Atomic uint32_t counts[BOARD_SLOTS][SEATS_ROWS];
};
_Static_assert(offsetof(struct seats_shm, keys) % 64 == 0, "layout");

struct seats {
    struct seats_shm *shm;
    uint32_t slot;
    bool used;
};

/* --- the zone ------------------------------------------------------------------------------- */

bool seats_make(struct zone *zone)
{
    if (!region_make(zone, ZONE_SEATS, SEATS_VERSION, "seats", 128 + sizeof(struct seats_shm)))
        return false;
    struct seats_shm *shm = region_body(zone);
    if (region_random(shm->secret, sizeof shm->secret))
        return true;
    region_drop(zone);
    return false;
}

struct seats *seats_attach(const struct zone *zone, uint32_t slot)
{
    struct seats *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    must(slot < BOARD_SLOTS);
    s->shm = region_body(zone);
    s->slot = slot;
    return s;
}

void seats_detach(struct seats **seats)
{
    free(*seats);
    *seats = NULL;
}

/* An array that was never used is not looked at: the kernel would have to make it first. */
void seats_forget(const struct zone *zone, uint32_t slot)
{
    struct seats_shm *shm = region_body(zone);
    if (slot >= BOARD_SLOTS)
        return;
    for (int i = 0; i < SEATS_LOCKS; i++)
        lock_break(&shm->locks[i].lock, slot);
    if (!atomic_load(&shm->counts_in[slot]))
        return;
    for (int row = 0; row < SEATS_ROWS; row++)
        if (atomic_load_explicit(&shm->counts[slot][row], memory_order_relaxed))
            atomic_store_explicit(&shm->counts[slot][row], 0, memory_order_relaxed);
    atomic_store(&shm->counts_in[slot], 0);
}

uint64_t seats_key(const struct seats *s, uint64_t scope, const void *who, size_t n)
{
    uint64_t hash = XXH3_64bits_withSecret(who, n, s->shm->secret, SEATS_SECRET);
    uint64_t mixed[2] = { hash, scope };
    hash = XXH3_64bits_withSecret(mixed, sizeof mixed, s->shm->secret, SEATS_SECRET) & ~MARK;
    return hash ? hash : 2;
}

/* --- counting ------------------------------------------------------------------------------- */

/* The bucket's rows in the order of this key: the i-th. */
static uint32_t row_at(uint64_t key, uint32_t i)
{
    uint32_t bucket = (uint32_t)(key >> 32) & (SEATS_ROWS / SEATS_BUCKET - 1);
    return bucket * SEATS_BUCKET + (((uint32_t)(key >> 8) + i) & (SEATS_BUCKET - 1));
}

static int64_t find(const struct seats *s, uint64_t key)
{
    for (uint32_t i = 0; i < SEATS_BUCKET; i++) {
        uint32_t row = row_at(key, i);
        if (atomic_load_explicit(&s->shm->keys[row], memory_order_relaxed) == key)
            return row;
    }
    return -1;
}

static uint64_t sum(const struct seats *s, uint32_t row)
{
    uint32_t slots = atomic_load_explicit(&s->shm->slots, memory_order_relaxed);
    uint64_t total = 0;
    for (uint32_t slot = 0; slot < slots && slot < BOARD_SLOTS; slot++)
        total += atomic_load_explicit(&s->shm->counts[slot][row], memory_order_relaxed);
    return total;
}

/* Only this process writes its counts. */
static void add(const struct seats *s, uint32_t row, int step)
{
    _Atomic uint32_t *own = &s->shm->counts[s->slot][row];
    uint32_t n = atomic_load_explicit(own, memory_order_relaxed);
    atomic_store_explicit(own, n + (uint32_t)step, memory_order_release);
}

static bool count_in(const struct seats *s, uint32_t row, uint64_t key, uint32_t limit)
{
    add(s, row, 1);
    atomic_thread_fence(memory_order_seq_cst);
    if (atomic_load_explicit(&s->shm->keys[row], memory_order_relaxed) == key &&
        sum(s, row) <= limit)
        return true;
    add(s, row, -1);
    return false;
}

/* The array is known to be in use before it is: a death between the two costs a look at it. */
static void begin_to_count(struct seats *s)
{
    uint32_t slots = atomic_load(&s->shm->slots);
    atomic_store(&s->shm->counts_in[s->slot], 1);
    while (slots <= s->slot && !atomic_compare_exchange_weak(&s->shm->slots, &slots, s->slot + 1))
        ;
    s->used = true;
}

/* --- rows, under the lock ------------------------------------------------------------------- */

static void take_marks_off(struct seats *s, uint64_t key)
{
    for (uint32_t i = 0; i < SEATS_BUCKET; i++) {
        _Atomic uint64_t *at = &s->shm->keys[row_at(key, i)];
        if (atomic_load(at) & MARK)
            atomic_store(at, atomic_load(at) & ~MARK);
    }
}

/* A row without anybody in it is the key's from now on; false: somebody is. */
static bool occupy(struct seats *s, uint32_t row, uint64_t key)
{
    uint64_t before = atomic_load(&s->shm->keys[row]);
    atomic_store(&s->shm->keys[row], before | MARK);
    atomic_thread_fence(memory_order_seq_cst);
    bool idle = sum(s, row) == 0;
    atomic_store(&s->shm->keys[row], idle ? key : before);
    return idle;
}

static int64_t make_row(struct seats *s, uint64_t key)
{
    for (int used = 0; used < 2; used++)
        for (uint32_t i = 0; i < SEATS_BUCKET; i++) {
            uint32_t row = row_at(key, i);
            bool fresh = atomic_load(&s->shm->keys[row]) == 0;
            if (fresh == !used && sum(s, row) == 0 && occupy(s, row, key))
                return row;
        }
    return -1;
}

static uint32_t take_locked(struct seats *s, uint64_t key, uint32_t limit)
{
    int64_t row = find(s, key);
    if (row < 0)
        row = make_row(s, key);
    for (int i = 0; row >= 0 && i < SEATS_ASK_AGAIN; i++) {
        if (count_in(s, (uint32_t)row, key, limit))
            return (uint32_t)row + 1;
        if (sum(s, (uint32_t)row) >= limit)
            break;
    }
    return 0;
}

/* --- seats ---------------------------------------------------------------------------------- */

uint32_t seats_take(struct seats *s, uint64_t key, uint32_t limit)
{
    must(key && !(key & MARK));
    if (!s->used)
        begin_to_count(s);
    int64_t row = find(s, key);
    if (row >= 0 && count_in(s, (uint32_t)row, key, limit))
        return (uint32_t)row + 1;
    struct lock_shm *lock = &s->shm->locks[row_at(key, 0) / SEATS_BUCKET % SEATS_LOCKS].lock;
    if (lock_take(lock, s->slot) == LOCK_SUSPECT)
        lock_sound(lock);
    take_marks_off(s, key);
    uint32_t seat = take_locked(s, key, limit);
    lock_give(lock, s->slot);
    return seat;
}

void seats_give(struct seats *s, uint32_t seat)
{
    must(seat > 0 && seat <= SEATS_ROWS);
    must(atomic_load_explicit(&s->shm->counts[s->slot][seat - 1], memory_order_relaxed) > 0);
    add(s, seat - 1, -1);
}

uint64_t seats_taken(const struct seats *s, uint64_t key)
{
    int64_t row = find(s, key);
    return row < 0 ? 0 : sum(s, (uint32_t)row);
}
