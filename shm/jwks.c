/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each of a row's two records has two places. A writer fills the one that is not in use, then one
 * store of a word (a version, and which place) makes it the record; so a writer that is killed at
 * any instruction has published all of it or nothing, and the last good keys stay. A reader copies
 * the place that the word names and looks at the word again: changed, it starts anew. Writers are
 * two at most, the checkers of two generations; a lock keeps them apart. Nothing has to be mended
 * when its owner dies: the half-written place is not in use, and the next writer begins it anew.
 *
 * The moments are single words, stored by whom they concern. A checker that dies between begin and
 * end leaves a fetch that is never over: who waits has a deadline, and the next checker sees a
 * fetch that is under way without itself, and fetches.
 */
#include "shm/jwks.h"
#include "shm/assert.h"
#include "shm/lock.h"
#include <string.h>

enum { TRIES = 1000 };

#define WORDS(type) ((sizeof(type) + 7) / 8)

struct jwks_row_shm {
    _Atomic uint64_t identity;   /* 0: free */
    _Atomic uint64_t named;      /* when a checker last said that it is in use */
    _Atomic uint64_t set, state; /* version << 2 | place << 1 | there is one */
    _Atomic uint64_t wished, demanded, begun, ended; /* ms, CLOCK_MONOTONIC; 0: never */
    _Atomic uint64_t states[2][WORDS(struct jwks_state)];
    _Atomic uint64_t sets[2][WORDS(struct jwks_set)];
};

struct jwks_shm {
    struct lock_shm lock;
    uint32_t spare[14];
    struct jwks_row_shm rows[JWKS_ROWS];
};

_Static_assert(sizeof(struct jwks_key) == 1432, "layout");
_Static_assert(sizeof(struct jwks_set) % 8 == 0 && sizeof(struct jwks_state) % 8 == 0, "layout");
_Static_assert(offsetof(struct jwks_shm, rows) == 64, "layout");

bool jwks_make(struct zone *zone)
{
    return region_make(zone, ZONE_JWKS, JWKS_VERSION, "jwks", 128 + sizeof(struct jwks_shm));
}

static struct jwks_shm *jwks_of(const struct zone *zone)
{
    return region_body(zone);
}

static struct jwks_row_shm *row_of(const struct zone *zone, int row)
{
    must(row >= 0 && row < JWKS_ROWS);
    return &jwks_of(zone)->rows[row];
}

static void hold(const struct zone *zone, uint32_t slot)
{
    if (lock_take(&jwks_of(zone)->lock, slot) == LOCK_SUSPECT)
        lock_sound(&jwks_of(zone)->lock);
}

/* --- rows ----------------------------------------------------------------------------------- */

bool jwks_is(const struct zone *zone, int row, uint64_t identity)
{
    return atomic_load_explicit(&row_of(zone, row)->identity, memory_order_acquire) == identity;
}

int jwks_find(const struct zone *zone, uint64_t identity)
{
    for (int i = 0; i < JWKS_ROWS; i++)
        if (jwks_is(zone, i, identity))
            return i;
    return -1;
}

/* Its identity goes first and comes last, so that nobody takes old keys for the new issuer's. */
static void empty(struct jwks_row_shm *r, uint64_t identity, uint64_t now)
{
    atomic_store(&r->identity, 0);
    atomic_store(&r->set, (atomic_load(&r->set) | 3) + 1); /* a new version, without a record */
    atomic_store(&r->state, (atomic_load(&r->state) | 3) + 1);
    atomic_store(&r->wished, 0);
    atomic_store(&r->demanded, 0);
    atomic_store(&r->begun, 0);
    atomic_store(&r->ended, 0);
    atomic_store(&r->named, now);
    atomic_store(&r->identity, identity);
}

/* The clock that it was named by may be ahead of ours, read once a turn: it is in use then. */
static int spare_row(const struct zone *zone, uint64_t now)
{
    for (int i = 0; i < JWKS_ROWS; i++) {
        struct jwks_row_shm *r = row_of(zone, i);
        uint64_t named = atomic_load(&r->named);
        uint64_t apart = named > now ? named - now : now - named;
        if (atomic_load(&r->identity) == 0 || apart > JWKS_KEEP)
            return i;
    }
    return -1;
}

int jwks_claim(const struct zone *zone, uint32_t slot, uint64_t identity, uint64_t now)
{
    must(identity != 0);
    hold(zone, slot);
    int row = jwks_find(zone, identity);
    if (row >= 0)
        atomic_store(&row_of(zone, row)->named, now);
    else if ((row = spare_row(zone, now)) >= 0)
        empty(row_of(zone, row), identity, now);
    lock_give(&jwks_of(zone)->lock, slot);
    return row;
}

/* --- records -------------------------------------------------------------------------------- */

static void write_words(_Atomic uint64_t *to, const void *from, size_t n)
{
    for (size_t i = 0; i * 8 < n; i++) {
        uint64_t word;
        memcpy(&word, (const char *)from + i * 8, 8);
        atomic_store_explicit(&to[i], word, memory_order_relaxed);
    }
}

static void read_words(void *to, const _Atomic uint64_t *from, size_t n)
{
    for (size_t i = 0; i * 8 < n; i++) {
        uint64_t word = atomic_load_explicit(&from[i], memory_order_relaxed);
        memcpy((char *)to + i * 8, &word, 8);
    }
}

static uint64_t place_of(uint64_t word)
{
    return word >> 1 & 1;
}

/* Only its n first bytes: what lies behind is what was there. */
static void publish(_Atomic uint64_t *word, _Atomic uint64_t *places, size_t words,
                    const void *record, size_t n)
{
    uint64_t now = atomic_load_explicit(word, memory_order_relaxed), place = place_of(now) ^ 1;
    /* Who still copies this place as it was two versions ago must not meet a word of ours before
     * the store that ended that version. */
    atomic_thread_fence(memory_order_release);
    write_words(places + place * words, record, n);
    atomic_store_explicit(word, ((now >> 2) + 1) << 2 | place << 1 | 1, memory_order_release);
}

/* The n first bytes of a record; 0: there is none. SIZE_MAX: it was replaced meanwhile. */
static uint64_t copy_once(const _Atomic uint64_t *word, const _Atomic uint64_t *places,
                          size_t words, void *out, size_t n)
{
    uint64_t now = atomic_load_explicit(word, memory_order_acquire);
    if (!(now & 1))
        return 0;
    read_words(out, places + place_of(now) * words, n);
    atomic_thread_fence(memory_order_acquire);
    return atomic_load_explicit(word, memory_order_relaxed) == now ? now : SIZE_MAX;
}

static size_t set_size(uint32_t n)
{
    return offsetof(struct jwks_set, keys) + n * sizeof(struct jwks_key);
}

/* Another one in each row: an issuer that changes its row must not meet the number it knows. */
static uint64_t version_of(int row, uint64_t word)
{
    return word & 1 ? word | (uint64_t)row << 48 : 0;
}

uint64_t jwks_version(const struct zone *zone, int row)
{
    return version_of(row, atomic_load_explicit(&row_of(zone, row)->set, memory_order_acquire));
}

static uint64_t get_set(const struct jwks_row_shm *r, struct jwks_set *out)
{
    uint64_t first = copy_once(&r->set, r->sets[0], WORDS(*out), out, set_size(0));
    if (first == 0 || first == SIZE_MAX)
        return first;
    if (out->n > JWKS_KEYS)
        return SIZE_MAX;
    uint64_t second = copy_once(&r->set, r->sets[0], WORDS(*out), out, set_size(out->n));
    return second == first ? first : second == 0 ? 0 : SIZE_MAX;
}

/* What no writer of ours has written has no length. */
static void check_lengths(struct jwks_set *set)
{
    for (uint32_t i = 0; i < set->n; i++)
        if (set->keys[i].kid_n > JWKS_KID || set->keys[i].der_n > JWKS_DER)
            set->keys[i].kid_n = set->keys[i].der_n = 0;
}

uint64_t jwks_get(const struct zone *zone, int row, struct jwks_set *out)
{
    for (int i = 0; i < TRIES; i++) {
        uint64_t version = get_set(row_of(zone, row), out);
        if (version == SIZE_MAX || (version && out->n > JWKS_KEYS))
            continue;
        if (version == 0)
            out->n = 0;
        check_lengths(out);
        return version_of(row, version);
    }
    out->n = 0;
    return 0;
}

bool jwks_get_state(const struct zone *zone, int row, struct jwks_state *out)
{
    const struct jwks_row_shm *r = row_of(zone, row);
    for (int i = 0; i < TRIES; i++) {
        uint64_t version = copy_once(&r->state, r->states[0], WORDS(*out), out, sizeof *out);
        out->error[JWKS_ERROR - 1] = '\0';
        if (version != SIZE_MAX)
            return version != 0;
    }
    return false;
}

/* Rows change hands under the lock alone: what is true here stays true while it is held. */
static bool hold_own(const struct zone *zone, uint32_t slot, int row, uint64_t identity)
{
    hold(zone, slot);
    if (jwks_is(zone, row, identity))
        return true;
    lock_give(&jwks_of(zone)->lock, slot);
    return false;
}

bool jwks_put(const struct zone *zone, uint32_t slot, int row, uint64_t identity,
              const struct jwks_set *set)
{
    struct jwks_row_shm *r = row_of(zone, row);
    must(set->n <= JWKS_KEYS);
    if (!hold_own(zone, slot, row, identity))
        return false;
    publish(&r->set, r->sets[0], WORDS(*set), set, set_size(set->n));
    lock_give(&jwks_of(zone)->lock, slot);
    return true;
}

bool jwks_put_state(const struct zone *zone, uint32_t slot, int row, uint64_t identity,
                    const struct jwks_state *state)
{
    struct jwks_row_shm *r = row_of(zone, row);
    if (!hold_own(zone, slot, row, identity))
        return false;
    publish(&r->state, r->states[0], WORDS(*state), state, sizeof *state);
    lock_give(&jwks_of(zone)->lock, slot);
    return true;
}

/* --- asking --------------------------------------------------------------------------------- */

static uint64_t later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* Clocks of processes are read once a turn of their loops, so that one may lag behind another:
 * moments that have to follow each other are made to. A fetch begins after the one before has
 * ended, and not before the wish that it answers. */
void jwks_begin(const struct zone *zone, int row, uint64_t now, bool demanded)
{
    struct jwks_row_shm *r = row_of(zone, row);
    now = later(now, later(atomic_load(&r->ended) + 1, atomic_load(&r->wished)));
    if (demanded)
        atomic_store(&r->demanded, now);
    atomic_store(&r->begun, now);
}

void jwks_end(const struct zone *zone, int row, uint64_t now)
{
    struct jwks_row_shm *r = row_of(zone, row);
    atomic_store(&r->ended, later(now, atomic_load(&r->begun)));
}

bool jwks_wished(const struct zone *zone, int row)
{
    const struct jwks_row_shm *r = row_of(zone, row);
    return atomic_load(&r->wished) > atomic_load(&r->begun);
}

uint64_t jwks_demanded(const struct zone *zone, int row)
{
    return atomic_load(&row_of(zone, row)->demanded);
}

bool jwks_fetching(const struct zone *zone, int row)
{
    const struct jwks_row_shm *r = row_of(zone, row);
    return atomic_load(&r->begun) > atomic_load(&r->ended);
}

uint64_t jwks_wish(const struct zone *zone, int row, uint64_t now, uint64_t interval)
{
    struct jwks_row_shm *r = row_of(zone, row);
    uint64_t begun = atomic_load(&r->begun), wished = atomic_load(&r->wished),
             demanded = atomic_load(&r->demanded);
    if (wished > begun)
        return wished;
    uint64_t ended = atomic_load(&r->ended);
    if (begun > ended)
        return begun;
    if (demanded && now < demanded + interval)
        return 0;
    uint64_t wish = later(now, later(begun, ended) + 1);
    /* who loses takes the other's wish, which is as new */
    return atomic_compare_exchange_strong(&r->wished, &wished, wish) ? wish : wished;
}

bool jwks_over(const struct zone *zone, int row, uint64_t wish)
{
    return atomic_load(&row_of(zone, row)->ended) >= wish;
}

void jwks_break(const struct zone *zone, uint32_t slot)
{
    (void)lock_break(&jwks_of(zone)->lock, slot);
}
