/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A table of counters, eight of them (two cache lines) to a place that the key chooses. A counter
 * is two words: the key, with the kind of window in its low bits, and one that counts: window and
 * count for windows, the theoretical arrival time of the generic cell rate algorithm for buckets,
 * in microseconds. All counting is a swap of that word.
 *
 * A counter is given to another key only under the lock of its shard, in three stores: the counting
 * word becomes FROZEN, which fails every swap that was on its way; then the key; then a fresh word.
 * Who counts reads the word before the key, so it cannot pair the key that was with the word that
 * is. A word does not return to a value that it had for another key, since windows and times only
 * grow; after a clock was set back it may, and a swap that slept through all of that counts one for
 * a stranger. A FROZEN one that is met under the lock was left by a death and is free.
 */
#define XXH_INLINE_ALL
#include "shm/limits.h"
#include "shm/assert.h"
#include "shm/board.h"
#include "shm/limits_rule.h"
#include "shm/lock.h"
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

enum { LIMITS_SHARDS = 64, LIMITS_PLACE = 8, LIMITS_SECRET = 192 };
enum { KIND_UNIT = 7, KIND_SLIDING = 8, KIND_ODD = 16, KIND_BUCKET = 32, KIND_BITS = 63 };

#define FROZEN UINT64_MAX

struct limits_counter_shm {
    _Atomic uint64_t key; /* 0: never used; low bits: the kind */
    _Atomic uint64_t word;
};

struct limits_lock_shm {
    struct lock_shm lock;
} __attribute__((aligned(64)));

struct limits_shm {
    uint64_t places; /* a power of two */
    uint8_t secret[LIMITS_SECRET];
    _Atomic uint64_t counters __attribute__((aligned(64))), evicted;
    struct limits_lock_shm locks[LIMITS_SHARDS];
    struct limits_counter_shm table[];
};
_Static_assert(sizeof(struct limits_counter_shm) == 16, "layout");
_Static_assert(offsetof(struct limits_shm, table) % 64 == 0, "layout");

struct limits {
    struct limits_shm *shm;
    uint64_t places;
    uint32_t slot;
};

/* --- the zone ------------------------------------------------------------------------------- */

enum { PLACE_BYTES = LIMITS_PLACE * sizeof(struct limits_counter_shm) };

static uint64_t places_for(uint64_t size)
{
    uint64_t places = 64;
    while (places * 2 * PLACE_BYTES <= size)
        places *= 2;
    return places;
}

static uint64_t zone_size(uint64_t size)
{
    return 128 + sizeof(struct limits_shm) + places_for(size) * PLACE_BYTES;
}

bool limits_fits(const struct zone *zone, uint64_t size)
{
    return zone->shm && zone->size == region_size(zone_size(size));
}

bool limits_make(struct zone *zone, uint64_t size)
{
    if (!region_make(zone, ZONE_LIMITS, LIMITS_VERSION, "limits", zone_size(size)))
        return false;
    struct limits_shm *shm = region_body(zone);
    shm->places = places_for(size);
    if (region_random(shm->secret, sizeof shm->secret))
        return true;
    region_drop(zone);
    return false;
}

struct limits *limits_attach(const struct zone *zone, uint32_t slot)
{
    struct limits *l = calloc(1, sizeof *l);
    if (!l)
        return NULL;
    must(slot < BOARD_SLOTS);
    l->shm = region_body(zone);
    l->places = l->shm->places;
    l->slot = slot;
    return l;
}

void limits_detach(struct limits **limits)
{
    free(*limits);
    *limits = NULL;
}

void limits_break(const struct zone *zone, uint32_t slot)
{
    struct limits_shm *shm = region_body(zone);
    for (int i = 0; i < LIMITS_SHARDS; i++)
        lock_break(&shm->locks[i].lock, slot);
}

void limits_stats(const struct limits *l, struct limits_stats *out)
{
    out->counters = atomic_load_explicit(&l->shm->counters, memory_order_relaxed);
    out->evicted = atomic_load_explicit(&l->shm->evicted, memory_order_relaxed);
    out->room = l->places * LIMITS_PLACE;
}

uint64_t limits_key(const struct limits *l, uint64_t scope, const void *who, size_t n)
{
    uint64_t hash = XXH3_64bits_withSecret(who, n, l->shm->secret, LIMITS_SECRET);
    uint64_t mixed[2] = { hash, scope };
    return XXH3_64bits_withSecret(mixed, sizeof mixed, l->shm->secret, LIMITS_SECRET);
}

/* --- what a word says ----------------------------------------------------------------------- */

static uint32_t window_of(uint64_t word)
{
    return (uint32_t)(word >> 32);
}

static uint32_t count_of(uint64_t word)
{
    return (uint32_t)word;
}

static uint64_t word_of(uint32_t window, uint32_t count)
{
    return (uint64_t)window << 32 | count;
}

/* Whether nobody asks for that counter any more. */
static bool is_over(uint64_t key, uint64_t word, int64_t now)
{
    if (key & KIND_BUCKET)
        return word <= (uint64_t)now * 1000;
    uint32_t current = calendar_window((enum calendar_unit)(key & KIND_UNIT), now).number;
    uint32_t last = window_of(word) + ((key & KIND_SLIDING) ? 1 : 0);
    return last < current;
}

/* --- finding -------------------------------------------------------------------------------- */

static struct limits_counter_shm *place_of(const struct limits *l, uint64_t key)
{
    return l->shm->table + (key >> 8 & (l->places - 1)) * LIMITS_PLACE;
}

static struct limits_counter_shm *find(const struct limits *l, uint64_t key, uint64_t *word)
{
    struct limits_counter_shm *c = place_of(l, key);
    for (int i = 0; i < LIMITS_PLACE; i++, c++) {
        *word = atomic_load_explicit(&c->word, memory_order_acquire);
        if (atomic_load_explicit(&c->key, memory_order_acquire) == key && *word != FROZEN)
            return c;
    }
    return NULL;
}

/* How much a live counter would be missed: what it counted; of a bucket, which does not know its
 * limit, thousandths of its unit until all tokens are back. So who used up what is his cannot have
 * it forgotten by asking under names that are new. */
static uint32_t weight_of(uint64_t key, uint64_t word, int64_t now)
{
    if (!(key & KIND_BUCKET))
        return count_of(word);
    struct calendar_window w = calendar_window((enum calendar_unit)(key & KIND_UNIT), now);
    uint64_t owed = (word - (uint64_t)now * 1000) / (uint64_t)(w.till - w.from);
    return owed < UINT32_MAX ? (uint32_t)owed : UINT32_MAX - 1;
}

/* The counter that can be spared most: one that was never used or is over, or else the one that
 * weighs least. Under the lock. */
static struct limits_counter_shm *spare(struct limits_counter_shm *place, int64_t now,
                                        uint64_t *word, bool *live)
{
    struct limits_counter_shm *best = NULL;
    uint32_t least = UINT32_MAX;
    for (int i = 0; i < LIMITS_PLACE; i++) {
        uint64_t key = atomic_load(&place[i].key), w = atomic_load(&place[i].word);
        *live = key != 0 && w != FROZEN && !is_over(key, w, now);
        if (!*live) {
            *word = w;
            return &place[i];
        }
        uint32_t weight = weight_of(key, w, now);
        if (!best || weight < least) {
            best = &place[i];
            least = weight;
            *word = w;
        }
    }
    *live = true;
    return best;
}

static void occupy(struct limits *l, uint64_t key, uint64_t fresh, int64_t now)
{
    uint64_t word;
    bool live;
    struct limits_counter_shm *c;
    do /* who counts meanwhile changes the word, and the choice is made again */
        c = spare(place_of(l, key), now, &word, &live);
    while (!atomic_compare_exchange_strong(&c->word, &word, FROZEN));
    if (live)
        atomic_fetch_add_explicit(&l->shm->evicted, 1, memory_order_relaxed);
    else if (atomic_load(&c->key) == 0)
        atomic_fetch_add_explicit(&l->shm->counters, 1, memory_order_relaxed);
    atomic_store_explicit(&c->key, key, memory_order_release);
    atomic_store_explicit(&c->word, fresh, memory_order_release);
}

/* The counter of `key`, made if there is none. */
static struct limits_counter_shm *counter(struct limits *l, uint64_t key, uint64_t fresh,
                                          int64_t now, uint64_t *word)
{
    struct limits_counter_shm *c;
    while (!(c = find(l, key, word))) {
        struct lock_shm *lock = &l->shm->locks[key >> 8 & (LIMITS_SHARDS - 1)].lock;
        if (lock_take(lock, l->slot) == LOCK_SUSPECT)
            lock_sound(
                lock); /* a counter that was left FROZEN is free, nothing else can be wrong */
        if (!find(l, key, word))
            occupy(l, key, fresh, now);
        lock_give(lock, l->slot);
    }
    return c;
}

/* --- windows -------------------------------------------------------------------------------- */

static uint64_t kind_key(const struct limits_claim *claim, uint32_t window)
{
    uint64_t kind = claim->unit;
    if (claim->shape == LIMITS_SLIDING)
        kind |= KIND_SLIDING | (window & 1 ? KIND_ODD : 0);
    if (claim->shape == LIMITS_BUCKET)
        kind |= KIND_BUCKET;
    return (claim->key & ~(uint64_t)KIND_BITS) | kind;
}

static uint32_t count_before(const struct limits *l, const struct limits_claim *claim,
                             const struct calendar_window *w)
{
    uint64_t word;
    if (!find(l, kind_key(claim, w->number - 1), &word) || window_of(word) != w->number - 1)
        return 0;
    return count_of(word);
}

/* Two workers read the clock at different moments: one that is late by a little counts in the
 * window that has begun already. A clock that was set back starts anew. */
static struct calendar_window window_for(const struct limits_claim *claim, uint64_t word,
                                         int64_t now)
{
    struct calendar_window w = calendar_window(claim->unit, now);
    if (claim->shape == LIMITS_FIXED && window_of(word) > w.number) {
        struct calendar_window later = calendar_window(claim->unit, now + LIMITS_SKEW_MS);
        if (window_of(word) <= later.number)
            w.number = window_of(word);
    }
    return w;
}

static bool take_window(struct limits *l, struct limits_claim *claim, int64_t now, bool dry)
{
    struct calendar_window w = calendar_window(claim->unit, now);
    uint32_t before = claim->shape == LIMITS_SLIDING ? count_before(l, claim, &w) : 0;
    uint64_t word, next;
    struct limits_counter_shm *c;
    do {
        c = counter(l, kind_key(claim, w.number), word_of(w.number, 0), now, &word);
        w = window_for(claim, word, now);
        uint32_t used = window_of(word) == w.number ? count_of(word) : 0;
        bool fits = limits_rule_window(claim, &w, used, before, now, dry);
        if (!fits || dry)
            return fits;
        next = word_of(w.number, used + claim->cost);
    } while (!atomic_compare_exchange_weak(&c->word, &word, next));
    return true;
}

/* --- buckets -------------------------------------------------------------------------------- */

static bool take_bucket(struct limits *l, struct limits_claim *claim, int64_t now, bool dry)
{
    uint64_t us = (uint64_t)now * 1000, word, next, owed;
    struct limits_counter_shm *c;
    do {
        c = counter(l, kind_key(claim, 0), us, now, &word);
        bool fits = limits_rule_bucket(claim, word, now, dry, &next, &owed);
        if (!fits && owed < word)
            (void)atomic_compare_exchange_strong(&c->word, &word, owed);
        if (!fits || dry)
            return fits;
    } while (!atomic_compare_exchange_weak(&c->word, &word, next));
    return true;
}

/* --- claims --------------------------------------------------------------------------------- */

static bool take_one(struct limits *l, struct limits_claim *claim, int64_t now, bool dry)
{
    if (claim->shape == LIMITS_BUCKET)
        return take_bucket(l, claim, now, dry);
    return take_window(l, claim, now, dry);
}

/* What was granted while another claim of the same request was not. In a window that has ended
 * since nobody asks for the count; one that was begun early, by a clock ahead of ours, is where a
 * late claim was counted (window_for()). */
static void give_back(struct limits *l, const struct limits_claim *claim, int64_t now)
{
    uint32_t number = calendar_window(claim->unit, now).number;
    bool bucket = claim->shape == LIMITS_BUCKET;
    uint64_t word, cost = bucket ? limits_rule_each(claim, now) * claim->cost : claim->cost;
    struct limits_counter_shm *c;
    do {
        c = find(l, kind_key(claim, bucket ? 0 : number), &word);
        if (!c || (!bucket && (window_of(word) < number || count_of(word) < claim->cost)))
            return;
    } while (!atomic_compare_exchange_weak(&c->word, &word, word - cost));
}

bool limits_would(struct limits *l, struct limits_claim *claims, int n, int64_t now)
{
    bool fits = true;
    for (int i = 0; i < n; i++)
        fits &= take_one(l, &claims[i], now, true);
    return fits;
}

bool limits_take(struct limits *l, struct limits_claim *claims, int n, int64_t now)
{
    must(n > 0 && n <= LIMITS_CLAIMS_MAX);
    if (n > 1 && !limits_would(l, claims, n, now)) /* then it stands in nobody's way meanwhile */
        return false;
    for (int i = 0; i < n; i++) {
        if (take_one(l, &claims[i], now, false))
            continue;
        while (i-- > 0)
            give_back(l, &claims[i], now);
        return false;
    }
    return true;
}

void limits_give(struct limits *l, const struct limits_claim *claims, int n, int64_t now)
{
    for (int i = 0; i < n; i++)
        give_back(l, &claims[i], now);
}

void limits_settle(struct limits *l, const struct limits_claim *claim, int64_t at, uint32_t added,
                   uint64_t floor)
{
    struct calendar_window w = calendar_window(claim->unit, at);
    bool bucket = claim->shape == LIMITS_BUCKET;
    uint64_t fresh = bucket ? (uint64_t)at * 1000 : word_of(w.number, 0), word, next;
    struct limits_counter_shm *c;
    do {
        c = counter(l, kind_key(claim, bucket ? 0 : w.number), fresh, at, &word);
        uint64_t from = word > fresh ? word : fresh;
        if (!bucket && window_of(word) > w.number)
            return; /* that window is over */
        if (bucket) {
            next = from + added * limits_rule_each(claim, at);
            next = next > floor ? next : floor;
        } else {
            uint64_t count = (uint64_t)count_of(from) + added;
            count = count > floor ? count : floor;
            next = word_of(w.number, count < UINT32_MAX ? (uint32_t)count : UINT32_MAX - 1);
        }
    } while (next != word && !atomic_compare_exchange_weak(&c->word, &word, next));
}
