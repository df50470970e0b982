/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A table of sets, eight places each, chosen by the digest; a line of tags beside it tells where to
 * look. A place is written under the lock of its shard only, and under a count that is odd
 * meanwhile: who reads without the lock copies, and takes the copy only if the count was even and
 * has not changed. So a death inside leaves an odd count, which readers take for "not there", and a
 * suspect lock, whose next owner empties such places; nothing half written is ever believed.
 *
 * A place's attempt is one word: the number of the attempt and what became of it. The number is new
 * for each, so a ticket can tell its own from another's that has the place by now. Who died while
 * it asked is known by its slot's count of deaths, which the master raises: its attempts are over
 * from then on, without a look at them. Who waits leaves its slot's bit in the place, under the
 * lock, and whoever ends the attempt takes all bits under the same lock: no wake-up is lost between
 * the two.
 */
#include "shm/tokens.h"
#include "shm/assert.h"
#include "shm/board.h"
#include "shm/lock.h"
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* A test that kills itself at every place where a death could tear something defines this. */
#ifndef CRASH_POINT
#define CRASH_POINT() ((void)0)
#endif

enum { TOKENS_SHARDS = 64, TOKENS_WAYS = 8, TOKENS_PLACE = 2048, TOKENS_WORDS = BOARD_SLOTS / 64 };
enum { TOKENS_LEAST = 64 /* sets */, TOKENS_TRIES = 4, TOKENS_STATE_BITS = 2 };

enum tokens_state { STATE_OVER, STATE_ASKED, STATE_FAILED }; /* low bits of an attempt */

struct tokens_place_shm {
    _Atomic uint64_t count; /* odd: what follows is being written */
    uint8_t id[TOKENS_ID];
    int64_t until; /* ms since 1970; 0: no text */
    uint32_t n;
    uint32_t refusal;
    _Atomic uint64_t attempt;               /* its number, and enum tokens_state */
    _Atomic uint32_t slot, epoch;           /* who asks, or did */
    _Atomic uint64_t waiters[TOKENS_WORDS]; /* bits: slots */
    char spare[TOKENS_PLACE - 72 - TOKENS_WORDS * 8 - TOKENS_TEXT];
    char text[TOKENS_TEXT];
};
_Static_assert(sizeof(struct tokens_place_shm) == TOKENS_PLACE, "layout");

struct tokens_lock_shm {
    struct lock_shm lock;
} __attribute__((aligned(64)));

struct tokens_tags_shm {
    _Atomic uint64_t v[TOKENS_WAYS]; /* the first bytes of the ids; only ever a hint */
} __attribute__((aligned(64)));

struct tokens_shm {
    uint64_t sets; /* a power of two */
    uint8_t secret[TOKENS_SECRET];
    _Atomic uint64_t attempts; /* numbers given */
    _Atomic uint32_t deaths[BOARD_SLOTS];
    struct tokens_lock_shm locks[TOKENS_SHARDS];
    struct tokens_tags_shm tags[];
};

struct tokens {
    struct tokens_shm *shm;
    struct tokens_place_shm *places;
    uint64_t sets;
    uint32_t slot;
    void (*wake)(void *arg, uint32_t slot);
    void *arg;
};

/* --- the zone ------------------------------------------------------------------------------- */

static uint64_t sets_for(uint64_t size)
{
    uint64_t sets = TOKENS_LEAST;
    while (sets * 2 * TOKENS_WAYS * TOKENS_PLACE <= size)
        sets *= 2;
    return sets;
}

static uint64_t zone_size(uint64_t size)
{
    return 128 + sizeof(struct tokens_shm) +
           sets_for(size) * (sizeof(struct tokens_tags_shm) + TOKENS_WAYS * TOKENS_PLACE);
}

bool tokens_fits(const struct zone *zone, uint64_t size)
{
    return zone->shm && zone->size == region_size(zone_size(size));
}

bool tokens_make(struct zone *zone, uint64_t size)
{
    if (!region_make(zone, ZONE_TOKENS, TOKENS_VERSION, "tokens", zone_size(size)))
        return false;
    struct tokens_shm *shm = region_body(zone);
    shm->sets = sets_for(size);
    if (region_random(shm->secret, sizeof shm->secret))
        return true;
    region_drop(zone);
    return false;
}

struct tokens *tokens_attach(const struct zone *zone, uint32_t slot,
                             void (*wake)(void *arg, uint32_t slot), void *arg)
{
    struct tokens *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    must(slot < BOARD_SLOTS);
    t->shm = region_body(zone);
    t->sets = t->shm->sets;
    must(128 + sizeof(struct tokens_shm) +
             t->sets * (sizeof(struct tokens_tags_shm) + TOKENS_WAYS * TOKENS_PLACE) <=
         zone->size);
    t->places = (void *)(t->shm->tags + t->sets);
    t->slot = slot;
    t->wake = wake;
    t->arg = arg;
    return t;
}

void tokens_detach(struct tokens **tokens)
{
    free(*tokens);
    *tokens = NULL;
}

void tokens_break(const struct zone *zone, uint32_t slot)
{
    struct tokens_shm *shm = region_body(zone);
    if (slot >= BOARD_SLOTS)
        return;
    atomic_fetch_add_explicit(&shm->deaths[slot], 1, memory_order_seq_cst);
    for (int i = 0; i < TOKENS_SHARDS; i++)
        lock_break(&shm->locks[i].lock, slot);
}

const uint8_t *tokens_secret(const struct tokens *t)
{
    return t->shm->secret;
}

/* --- places --------------------------------------------------------------------------------- */

static uint64_t tag_of(const uint8_t *id)
{
    uint64_t tag;
    memcpy(&tag, id, sizeof tag);
    return tag ? tag : 1;
}

static uint64_t set_of(const struct tokens *t, const uint8_t *id)
{
    uint64_t hash;
    memcpy(&hash, id + sizeof hash, sizeof hash);
    return hash & (t->sets - 1);
}

/* From here on until end_write() readers see nothing in the place. */
static void begin_write(struct tokens_place_shm *p)
{
    uint64_t count = atomic_load_explicit(&p->count, memory_order_relaxed);
    atomic_store_explicit(&p->count, count | 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    CRASH_POINT();
}

static void end_write(struct tokens_place_shm *p)
{
    CRASH_POINT();
    uint64_t count = atomic_load_explicit(&p->count, memory_order_relaxed);
    atomic_store_explicit(&p->count, count + 1, memory_order_release);
}

/* A place that was being written when its writer died. Its attempt was the dead one's, or is ended
 * by it: who waits for it sees another number. */
static void empty(struct tokens *t, struct tokens_place_shm *p)
{
    p->until = 0;
    memset(p->id, 0, sizeof p->id);
    uint64_t number = atomic_fetch_add_explicit(&t->shm->attempts, 1, memory_order_relaxed) + 1;
    atomic_store_explicit(&p->attempt, number << TOKENS_STATE_BITS | STATE_OVER,
                          memory_order_release);
    end_write(p);
}

static void repair(struct tokens *t, uint64_t shard)
{
    for (uint64_t set = shard; set < t->sets; set += TOKENS_SHARDS)
        for (uint64_t i = set * TOKENS_WAYS; i < (set + 1) * TOKENS_WAYS; i++)
            if (atomic_load_explicit(&t->places[i].count, memory_order_relaxed) & 1)
                empty(t, &t->places[i]);
}

static struct lock_shm *lock_of(struct tokens *t, uint64_t set)
{
    return &t->shm->locks[set % TOKENS_SHARDS].lock;
}

static void lock_set(struct tokens *t, uint64_t set)
{
    struct lock_shm *lock = lock_of(t, set);
    if (lock_take(lock, t->slot) == LOCK_SUSPECT) {
        repair(t, set % TOKENS_SHARDS);
        lock_sound(lock);
    }
    CRASH_POINT();
}

static void unlock_set(struct tokens *t, uint64_t set)
{
    CRASH_POINT();
    lock_give(lock_of(t, set), t->slot);
}

/* --- looking up ----------------------------------------------------------------------------- */

/* Copies the text if the place has it and nobody wrote there meanwhile. */
static bool copy(const struct tokens_place_shm *p, const uint8_t *id, int64_t now, char *out,
                 size_t *n)
{
    for (int i = 0; i < TOKENS_TRIES; i++) {
        uint64_t count = atomic_load_explicit(&p->count, memory_order_acquire);
        if (count & 1)
            return false;
        uint32_t length = p->n;
        bool there = p->until > now && length <= TOKENS_TEXT && memcmp(p->id, id, TOKENS_ID) == 0;
        if (there)
            memcpy(out, p->text, length);
        atomic_thread_fence(memory_order_acquire);
        if (atomic_load_explicit(&p->count, memory_order_relaxed) != count)
            continue;
        *n = length;
        return there;
    }
    return false;
}

bool tokens_find(const struct tokens *t, const uint8_t id[TOKENS_ID], int64_t now, char *out,
                 size_t *n)
{
    uint64_t set = set_of(t, id), tag = tag_of(id);
    for (uint64_t i = 0; i < TOKENS_WAYS; i++)
        if (atomic_load_explicit(&t->shm->tags[set].v[i], memory_order_acquire) == tag &&
            copy(&t->places[set * TOKENS_WAYS + i], id, now, out, n))
            return true;
    return false;
}

/* --- asking --------------------------------------------------------------------------------- */

static enum tokens_state state_of(uint64_t attempt)
{
    return (enum tokens_state)(attempt & ((1u << TOKENS_STATE_BITS) - 1));
}

static bool lives(const struct tokens *t, uint32_t slot, uint32_t epoch)
{
    return slot < BOARD_SLOTS &&
           atomic_load_explicit(&t->shm->deaths[slot], memory_order_seq_cst) == epoch;
}

/* Somebody asks about what is there, and is alive. */
static bool is_asked(const struct tokens *t, const struct tokens_place_shm *p)
{
    return state_of(atomic_load(&p->attempt)) == STATE_ASKED &&
           lives(t, atomic_load(&p->slot), atomic_load(&p->epoch));
}

/* How little a place is worth: what is over first, then refusals, then what ends soonest. -1: it
 * cannot be had. */
static int64_t cheapness(const struct tokens *t, const struct tokens_place_shm *p, int64_t now)
{
    if (is_asked(t, p))
        return -1;
    if (p->until <= now)
        return INT64_MAX;
    int64_t left = p->until - now, most = INT64_MAX / 2;
    if (left > most)
        left = most - 1;
    return p->refusal ? INT64_MAX - 1 - left : most - left;
}

/* The place of that id, or else the one that can be spared most; -1: none. Under the lock. */
static int64_t place_for(struct tokens *t, uint64_t set, const uint8_t *id, int64_t now)
{
    int64_t best = -1, most = -1;
    for (uint64_t i = set * TOKENS_WAYS; i < (set + 1) * TOKENS_WAYS; i++) {
        if (memcmp(t->places[i].id, id, TOKENS_ID) == 0)
            return (int64_t)i;
        int64_t cheap = cheapness(t, &t->places[i], now);
        if (cheap > most) {
            most = cheap;
            best = (int64_t)i;
        }
    }
    return best;
}

static void fill_ticket(const struct tokens *t, uint64_t at, struct tokens_ticket *ticket)
{
    const struct tokens_place_shm *p = &t->places[at];
    *ticket = (struct tokens_ticket){ .number = atomic_load(&p->attempt) >> TOKENS_STATE_BITS,
                                      .place = (uint32_t)at,
                                      .owner = atomic_load(&p->slot),
                                      .epoch = atomic_load(&p->epoch) };
}

/* The place is for `id` from now on, and the caller asks. */
static void occupy(struct tokens *t, uint64_t at, const uint8_t *id)
{
    struct tokens_place_shm *p = &t->places[at];
    uint64_t number = atomic_fetch_add_explicit(&t->shm->attempts, 1, memory_order_relaxed) + 1;
    begin_write(p);
    p->until = 0;
    memcpy(p->id, id, TOKENS_ID);
    CRASH_POINT();
    /* owner before attempt: whoever sees the attempt sees whose it is */
    atomic_store(&p->slot, t->slot);
    atomic_store(&p->epoch, atomic_load(&t->shm->deaths[t->slot]));
    for (int i = 0; i < TOKENS_WORDS; i++)
        atomic_store_explicit(&p->waiters[i], 0, memory_order_relaxed);
    atomic_store(&p->attempt, number << TOKENS_STATE_BITS | STATE_ASKED);
    end_write(p);
    atomic_store_explicit(&t->shm->tags[at / TOKENS_WAYS].v[at % TOKENS_WAYS], tag_of(id),
                          memory_order_release);
}

static enum tokens_turn take(struct tokens *t, uint64_t set, const uint8_t *id, int64_t now,
                             struct tokens_ticket *ticket)
{
    int64_t at = place_for(t, set, id, now);
    if (at < 0)
        return TOKENS_ALONE;
    struct tokens_place_shm *p = &t->places[at];
    bool same = memcmp(p->id, id, TOKENS_ID) == 0;
    if (same && p->until > now)
        return TOKENS_FOUND;
    if (same && is_asked(t, p)) {
        atomic_fetch_or(&p->waiters[t->slot / 64], UINT64_C(1) << (t->slot % 64));
        fill_ticket(t, (uint64_t)at, ticket);
        return TOKENS_WAIT;
    }
    occupy(t, (uint64_t)at, id);
    fill_ticket(t, (uint64_t)at, ticket);
    return TOKENS_ASK;
}

enum tokens_turn tokens_take(struct tokens *t, const uint8_t id[TOKENS_ID], int64_t now,
                             struct tokens_ticket *ticket)
{
    uint64_t set = set_of(t, id);
    *ticket = (struct tokens_ticket){ 0 };
    lock_set(t, set);
    enum tokens_turn turn = take(t, set, id, now, ticket);
    unlock_set(t, set);
    return turn;
}

enum tokens_news tokens_look(const struct tokens *t, const struct tokens_ticket *ticket)
{
    must(ticket->number && ticket->place < t->sets * TOKENS_WAYS);
    uint64_t attempt = atomic_load(&t->places[ticket->place].attempt);
    if (attempt >> TOKENS_STATE_BITS != ticket->number)
        return TOKENS_ENDED;
    if (state_of(attempt) == STATE_FAILED)
        return TOKENS_FAILED;
    bool pending = state_of(attempt) == STATE_ASKED && lives(t, ticket->owner, ticket->epoch);
    return pending ? TOKENS_PENDING : TOKENS_ENDED;
}

/* --- the end of an attempt ------------------------------------------------------------------ */

static void keep(struct tokens_place_shm *p, const struct tokens_answer *answer)
{
    begin_write(p);
    memcpy(p->text, answer->text, answer->n);
    p->n = (uint32_t)answer->n;
    p->refusal = answer->refusal;
    p->until = answer->until;
    end_write(p);
}

static void wake_all(const struct tokens *t, const uint64_t waiters[TOKENS_WORDS])
{
    for (uint32_t slot = 0; slot < BOARD_SLOTS; slot++)
        if (waiters[slot / 64] >> (slot % 64) & 1)
            t->wake(t->arg, slot);
}

/* answer NULL: none came. */
static void end(struct tokens *t, struct tokens_ticket *ticket, const struct tokens_answer *answer,
                enum tokens_state state)
{
    uint64_t waiters[TOKENS_WORDS] = { 0 };
    if (ticket->number == 0)
        return;
    struct tokens_place_shm *p = &t->places[ticket->place];
    uint64_t set = ticket->place / TOKENS_WAYS, number = ticket->number;
    ticket->number = 0;
    lock_set(t, set);
    if (atomic_load(&p->attempt) == (number << TOKENS_STATE_BITS | STATE_ASKED)) {
        if (answer)
            keep(p, answer);
        CRASH_POINT();
        atomic_store(&p->attempt, number << TOKENS_STATE_BITS | (uint64_t)state);
        for (int i = 0; i < TOKENS_WORDS; i++)
            waiters[i] = atomic_exchange(&p->waiters[i], 0);
    }
    unlock_set(t, set);
    /* who dies here has its death told to everybody by the master */
    wake_all(t, waiters);
}

void tokens_tell(struct tokens *t, struct tokens_ticket *ticket, const struct tokens_answer *answer,
                 int64_t now)
{
    bool fits = answer->n <= TOKENS_TEXT && answer->until > now;
    end(t, ticket, fits ? answer : NULL, STATE_OVER);
}

void tokens_fail(struct tokens *t, struct tokens_ticket *ticket)
{
    end(t, ticket, NULL, STATE_FAILED);
}
