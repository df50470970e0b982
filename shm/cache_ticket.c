/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tickets lie in sets of sixteen, found by a part of the id, each with a line of tags in front.
 * Taking, purging and freeing one is done under the lock of the shard's tickets, which guards
 * nothing that could be half done: a tag is one store, a holder one bit, a mark one word. All that
 * goes on with a ticket meanwhile is done without a lock: the owner says how far it is, and then
 * looks who sleeps; who wants to sleep says so, and then looks how far the owner is; a full fence
 * stands between on either side.
 *
 * A ticket stays until nobody holds it, so what a waiter looks at is always the attempt that it
 * waits for. Who holds it is a bit for each slot; how many handles that stands for is known to the
 * process alone, and gone with it. Whether the owner lives is told by the epoch of its row, which
 * its death counts up.
 *
 * To join is to pin what is in no index: the pin is set, a fence, then the ticket has to be FILLING
 * still, its owner alive. The owner leaves that state before the entry can go any way (published
 * and evicted, or retired), and so does its death: either they see the pin or the joiner sees them.
 */
#include "shm/assert.h"
#include "shm/cache_ticket_parts.h"
#include <string.h>

enum { WORD = 64 };

/* --- where ---------------------------------------------------------------------------------- */

struct spot {
    uint32_t shard, set, tag; /* set: over all shards */
};

static struct spot spot_of(const struct cache *cache, const uint8_t *id)
{
    uint64_t h[2];
    memcpy(h, id, sizeof h);
    uint32_t shard = store_place(cache, id).shard;
    uint32_t set = (uint32_t)((h[1] >> 32) * cache->g.tickets >> 32);
    return (struct spot){ shard, shard * cache->g.tickets + set, (uint32_t)h[1] | 1 };
}

static struct cache_ticket_shm *at(const struct cache *cache, uint32_t ticket)
{
    must(ticket != 0);
    return &cache->tickets[(ticket - 1) / STORE_WAYS].tickets[(ticket - 1) % STORE_WAYS];
}

static _Atomic uint32_t *tag_of(const struct cache *cache, uint32_t ticket)
{
    return &cache->tickets[(ticket - 1) / STORE_WAYS].tag[(ticket - 1) % STORE_WAYS];
}

static uint32_t shard_of(const struct cache *cache, uint32_t ticket)
{
    return (ticket - 1) / STORE_WAYS / cache->g.tickets;
}

static void lock_sets(struct cache *cache, uint32_t shard)
{
    struct lock_shm *l = &cache->shm->ticket_lock[shard].lock;
    if (lock_take(l, cache->slot) == LOCK_SUSPECT)
        lock_sound(l); /* nothing in there can be half done */
    CRASH_POINT();
}

static void unlock_sets(struct cache *cache, uint32_t shard)
{
    CRASH_POINT();
    lock_give(&cache->shm->ticket_lock[shard].lock, cache->slot);
}

/* --- how it is with one --------------------------------------------------------------------- */

static enum cache_ticket_state told(const struct cache_ticket_shm *t)
{
    return (enum cache_ticket_state)atomic_load_explicit(&t->state, memory_order_acquire);
}

static bool has_ended(enum cache_ticket_state state)
{
    return state > CACHE_TICKET_WHOLE;
}

static bool orphaned(const struct cache *cache, const struct cache_ticket_shm *t)
{
    return atomic_load_explicit(&cache->shm->rows[t->slot].epoch, memory_order_seq_cst) != t->epoch;
}

static enum cache_ticket_state ticket_state(const struct cache *cache,
                                            const struct cache_ticket_shm *t)
{
    enum cache_ticket_state state = told(t);
    return !has_ended(state) && orphaned(cache, t) ? CACHE_TICKET_LOST : state;
}

static bool is_held(const struct cache_ticket_shm *t)
{
    uint64_t all = 0;
    for (int i = 0; i < BOARD_SLOTS / WORD; i++)
        all |= atomic_load_explicit(&t->held[i], memory_order_relaxed);
    return all != 0;
}

static void wake_sleepers(struct cache *cache, struct cache_ticket_shm *t)
{
    atomic_thread_fence(memory_order_seq_cst);
    for (uint32_t i = 0; i < BOARD_SLOTS / WORD; i++) {
        if (atomic_load_explicit(&t->asleep[i], memory_order_relaxed) == 0)
            continue;
        uint64_t bits = atomic_exchange_explicit(&t->asleep[i], 0, memory_order_seq_cst);
        CRASH_POINT();
        for (; bits != 0; bits &= bits - 1) {
            if (cache->wake)
                cache->wake(cache->wake_arg, i * WORD + (uint32_t)__builtin_ctzll(bits));
        }
    }
}

static void set_state(struct cache_ticket_shm *t, enum cache_ticket_state state)
{
    CRASH_POINT();
    atomic_store_explicit(&t->state, state, memory_order_seq_cst);
    CRASH_POINT();
}

static void tell(struct cache *cache, struct cache_ticket_shm *t, enum cache_ticket_state state)
{
    set_state(t, state);
    wake_sleepers(cache, t);
}

/* --- handles -------------------------------------------------------------------------------- */

static uint64_t own_bit(const struct cache *cache)
{
    return UINT64_C(1) << cache->slot % WORD;
}

/* With the lock held, or on behalf of a handle that the process has. */
static void hold(struct cache *cache, uint32_t ticket)
{
    if (cache->holds[ticket - 1]++ == 0)
        atomic_fetch_or_explicit(&at(cache, ticket)->held[cache->slot / WORD], own_bit(cache),
                                 memory_order_relaxed);
    CRASH_POINT();
}

/* With the lock held: free it when nobody holds it. */
static void sweep(struct cache *cache, uint32_t ticket)
{
    if (atomic_load_explicit(tag_of(cache, ticket), memory_order_relaxed) == 0 ||
        is_held(at(cache, ticket)))
        return;
    CRASH_POINT();
    atomic_store_explicit(tag_of(cache, ticket), 0, memory_order_release);
}

void cache_ticket_leave(struct cache *cache, uint32_t *handle)
{
    uint32_t ticket = *handle;
    *handle = 0;
    if (ticket == 0)
        return;
    must(cache->holds[ticket - 1] > 0);
    if (--cache->holds[ticket - 1] > 0)
        return;
    uint32_t shard = shard_of(cache, ticket);
    lock_sets(cache, shard);
    atomic_fetch_and_explicit(&at(cache, ticket)->held[cache->slot / WORD], ~own_bit(cache),
                              memory_order_relaxed);
    CRASH_POINT();
    sweep(cache, ticket);
    unlock_sets(cache, shard);
}

/* --- marks ---------------------------------------------------------------------------------- */

static struct store_marks_shm *marks_of(const struct cache *cache, const uint8_t *id, uint32_t *tag)
{
    uint64_t h[2];
    memcpy(h, id, sizeof h);
    *tag = (uint32_t)h[1] | 1;
    uint32_t line = (uint32_t)((h[1] >> 32) * cache->g.marks >> 32);
    return &cache->marks[store_place(cache, id).shard * cache->g.marks + line];
}

/* The word that remembers the id, or NULL. */
static _Atomic uint64_t *find_mark(const struct cache *cache, const uint8_t *id)
{
    uint32_t tag;
    struct store_marks_shm *line = marks_of(cache, id, &tag);
    for (int i = 0; i < STORE_MARKS; i++) {
        if (atomic_load_explicit(&line->mark[i], memory_order_relaxed) >> 32 == tag)
            return &line->mark[i];
    }
    return NULL;
}

static uint32_t ends_at(const _Atomic uint64_t *mark)
{
    return (uint32_t)atomic_load_explicit(mark, memory_order_relaxed);
}

static bool is_marked(const struct cache *cache, const uint8_t *id, int64_t now)
{
    const _Atomic uint64_t *mark = find_mark(cache, id);
    return mark && ends_at(mark) > now;
}

void cache_ticket_unmark(struct cache *cache, const uint8_t id[CACHE_ID_SIZE])
{
    _Atomic uint64_t *mark = find_mark(cache, id);
    if (mark)
        atomic_store_explicit(mark, 0, memory_order_relaxed);
}

/* In place of its own, or of the one that ends first. */
static void set_mark(struct cache *cache, const uint8_t *id, uint32_t until)
{
    uint32_t tag, least = UINT32_MAX;
    struct store_marks_shm *line = marks_of(cache, id, &tag);
    _Atomic uint64_t *best = find_mark(cache, id);
    for (int i = 0; !best && i < STORE_MARKS; i++)
        least = least < ends_at(&line->mark[i]) ? least : ends_at(&line->mark[i]);
    for (int i = 0; !best; i++)
        best = ends_at(&line->mark[i]) == least || i == STORE_MARKS - 1 ? &line->mark[i] : NULL;
    atomic_store_explicit(best, (uint64_t)tag << 32 | until, memory_order_relaxed);
}

/* --- taking --------------------------------------------------------------------------------- */

/* Whether somebody who begins now may have what comes of it. */
static bool may_join(const struct cache *cache, const struct cache_ticket_shm *t, const uint8_t *id)
{
    return memcmp(t->id, id, CACHE_ID_SIZE) == 0 &&
           atomic_load_explicit(&t->generation, memory_order_relaxed) ==
               atomic_load_explicit(&cache->shm->generation, memory_order_acquire) &&
           !has_ended(ticket_state(cache, t));
}

static uint32_t find_ticket(const struct cache *cache, struct spot spot, const uint8_t *id)
{
    const struct store_tickets_shm *set = &cache->tickets[spot.set];
    for (uint32_t i = 0; i < STORE_WAYS; i++) {
        if (atomic_load_explicit(&set->tag[i], memory_order_relaxed) == spot.tag &&
            may_join(cache, &set->tickets[i], id))
            return spot.set * STORE_WAYS + i + 1;
    }
    return 0;
}

static void fill_in(const struct cache *cache, struct cache_ticket_shm *t, const uint8_t *id)
{
    memcpy(t->id, id, CACHE_ID_SIZE);
    t->slot = cache->slot;
    t->epoch = cache->epoch;
    t->status = 0;
    t->expected = UINT64_MAX;
    t->born = store_sequence(cache);
    atomic_store_explicit(&t->entry, 0, memory_order_relaxed);
    atomic_store_explicit(&t->published, 0, memory_order_relaxed);
    atomic_store_explicit(&t->generation,
                          atomic_load_explicit(&cache->shm->generation, memory_order_acquire),
                          memory_order_relaxed);
    for (int i = 0; i < BOARD_SLOTS / WORD; i++) {
        atomic_store_explicit(&t->asleep[i], 0, memory_order_relaxed);
        atomic_store_explicit(&t->held[i], 0, memory_order_relaxed); /* left by one who died here */
    }
    atomic_store_explicit(&t->state, CACHE_TICKET_ASKED, memory_order_relaxed);
}

/* A new one for the id; 0: the set is full. */
static uint32_t fresh(struct cache *cache, struct spot spot, const uint8_t *id)
{
    struct store_tickets_shm *set = &cache->tickets[spot.set];
    for (uint32_t i = 0; i < STORE_WAYS; i++) {
        if (atomic_load_explicit(&set->tag[i], memory_order_relaxed) != 0)
            continue;
        fill_in(cache, &set->tickets[i], id);
        hold(cache, spot.set * STORE_WAYS + i + 1);
        atomic_store_explicit(&set->tag[i], spot.tag, memory_order_release);
        CRASH_POINT();
        return spot.set * STORE_WAYS + i + 1;
    }
    return 0;
}

enum cache_ticket_verdict cache_ticket_take(struct cache *cache, const uint8_t id[CACHE_ID_SIZE],
                                            int64_t now, uint32_t *ticket)
{
    enum cache_ticket_verdict verdict = CACHE_TICKET_WAIT;
    struct spot spot = spot_of(cache, id);
    *ticket = 0;
    if (is_marked(cache, id, now))
        return CACHE_TICKET_PASS;
    lock_sets(cache, spot.shard);
    *ticket = find_ticket(cache, spot, id);
    if (*ticket != 0) {
        hold(cache, *ticket);
        cache->shards[spot.shard].waits++;
    } else {
        *ticket = fresh(cache, spot, id);
        verdict = *ticket != 0 ? CACHE_TICKET_FILL : CACHE_TICKET_PASS;
    }
    unlock_sets(cache, spot.shard);
    return verdict;
}

bool cache_ticket_try(struct cache *cache, const uint8_t id[CACHE_ID_SIZE], int64_t now,
                      uint32_t *ticket)
{
    struct spot spot = spot_of(cache, id);
    *ticket = 0;
    if (is_marked(cache, id, now))
        return false;
    lock_sets(cache, spot.shard);
    if (find_ticket(cache, spot, id) == 0)
        *ticket = fresh(cache, spot, id);
    unlock_sets(cache, spot.shard);
    return *ticket != 0;
}

bool cache_ticket_await(struct cache *cache, const uint8_t id[CACHE_ID_SIZE], uint32_t *ticket)
{
    struct spot spot = spot_of(cache, id);
    lock_sets(cache, spot.shard);
    *ticket = find_ticket(cache, spot, id);
    if (*ticket != 0) {
        hold(cache, *ticket);
        cache->shards[spot.shard].waits++;
    }
    unlock_sets(cache, spot.shard);
    return *ticket != 0;
}

bool cache_ticket_is_taken(struct cache *cache, const uint8_t id[CACHE_ID_SIZE])
{
    struct spot spot = spot_of(cache, id);
    lock_sets(cache, spot.shard);
    bool taken = find_ticket(cache, spot, id) != 0;
    unlock_sets(cache, spot.shard);
    return taken;
}

void cache_ticket_purge(struct cache *cache, const uint8_t id[CACHE_ID_SIZE])
{
    struct spot spot = spot_of(cache, id);
    lock_sets(cache, spot.shard);
    uint32_t ticket = find_ticket(cache, spot, id);
    if (ticket != 0)
        atomic_store_explicit(&at(cache, ticket)->generation, 0, memory_order_seq_cst);
    unlock_sets(cache, spot.shard);
}

/* --- the owner ------------------------------------------------------------------------------ */

void cache_ticket_waker(struct cache *cache, void (*wake_slot)(void *arg, uint32_t slot), void *arg)
{
    cache->wake = wake_slot;
    cache->wake_arg = arg;
}

void cache_ticket_end(struct cache *cache, uint32_t *handle, enum cache_ticket_state state,
                      int64_t detail)
{
    if (*handle == 0)
        return;
    struct cache_ticket_shm *t = at(cache, *handle);
    must(has_ended(state));
    if (state == CACHE_TICKET_PASSED && detail > 0)
        set_mark(cache, t->id, detail < UINT32_MAX ? (uint32_t)detail : UINT32_MAX);
    if (!has_ended(told(t))) {
        must(t->slot == cache->slot && t->epoch == cache->epoch);
        t->status = state == CACHE_TICKET_FAILED ? (uint32_t)detail : 0;
        tell(cache, t, state);
    }
    cache_ticket_leave(cache, handle);
}

void cache_ticket_show(struct cache *cache, uint32_t ticket, uint32_t ref, uint64_t expected)
{
    if (ticket == 0)
        return;
    struct cache_ticket_shm *t = at(cache, ticket);
    must(told(t) == CACHE_TICKET_ASKED && t->slot == cache->slot);
    hold(cache, ticket);
    /* what was asked for before a purge is not for those who ask after it */
    struct cache_entry_shm *entry = store_entry(cache, ref);
    if (atomic_load_explicit(&t->generation, memory_order_seq_cst) != entry->generation)
        entry->generation = 0;
    t->expected = expected;
    atomic_store_explicit(&t->entry, ref, memory_order_relaxed);
    set_state(t, CACHE_TICKET_FILLING); /* the first bytes will wake who sleeps */
}

void cache_ticket_grow(struct cache *cache, uint32_t ticket, uint64_t published, bool wake)
{
    if (ticket == 0)
        return;
    struct cache_ticket_shm *t = at(cache, ticket);
    atomic_store_explicit(&t->published, published, memory_order_release);
    CRASH_POINT();
    if (wake)
        wake_sleepers(cache, t);
}

void cache_ticket_seal(struct cache *cache, uint32_t ticket, bool whole)
{
    if (ticket == 0 || has_ended(told(at(cache, ticket))))
        return;
    if (whole) /* who is told now would only find that it is not to be found yet */
        set_state(at(cache, ticket), CACHE_TICKET_WHOLE);
    else
        tell(cache, at(cache, ticket), CACHE_TICKET_LOST);
}

void cache_ticket_close(struct cache *cache, uint32_t ticket)
{
    if (ticket == 0)
        return;
    if (told(at(cache, ticket)) == CACHE_TICKET_WHOLE)
        tell(cache, at(cache, ticket), CACHE_TICKET_DONE);
    cache_ticket_leave(cache, &ticket);
}

/* --- who waits ------------------------------------------------------------------------------ */

void cache_ticket_look(const struct cache *cache, uint32_t ticket, struct cache_ticket_view *view)
{
    const struct cache_ticket_shm *t = at(cache, ticket);
    view->state = ticket_state(cache, t); /* first: what is told to be whole is all there */
    view->published = atomic_load_explicit(&t->published, memory_order_acquire);
    bool shown = view->state != CACHE_TICKET_ASKED;
    view->expected = shown ? t->expected : UINT64_MAX;
    view->status = has_ended(view->state) ? t->status : 0;
}

static bool same_key(const struct cache_entry_shm *entry, const char *key, size_t n)
{
    return entry->key_n == n && memcmp(entry->text, key, n) == 0;
}

/* Whether it may be used by who asks for it now; else nobody waits for it any more. */
static bool is_current(struct cache *cache, uint32_t ticket, uint32_t ref)
{
    if (purges_judge(cache, store_entry(cache, ref)) == PURGES_ALIVE)
        return true;
    atomic_store_explicit(&at(cache, ticket)->generation, 0, memory_order_seq_cst);
    return false;
}

bool cache_ticket_is_purged(const struct cache *cache, uint32_t ticket)
{
    return atomic_load_explicit(&at(cache, ticket)->generation, memory_order_seq_cst) == 0;
}

bool cache_ticket_is_outdated(struct cache *cache, uint32_t ticket, const struct cache_hit *like)
{
    struct cache_ticket_shm *t = at(cache, ticket);
    if (purges_since(cache, t->id, like, t->born) == PURGES_ALIVE)
        return false;
    atomic_store_explicit(&t->generation, 0, memory_order_seq_cst);
    return true;
}

bool cache_ticket_join(struct cache *cache, uint32_t ticket, const char *key, size_t n,
                       struct cache_hit *hit)
{
    const struct cache_ticket_shm *t = at(cache, ticket);
    int32_t pin = pins_reserve(cache);
    if (pin < 0)
        return false;
    uint32_t ref = atomic_load_explicit(&t->entry, memory_order_acquire);
    atomic_store_explicit(pins_cell(cache, cache->slot, (uint32_t)pin), ref, memory_order_release);
    CRASH_POINT();
    atomic_thread_fence(memory_order_seq_cst);
    if (ref == 0 || ticket_state(cache, t) != CACHE_TICKET_FILLING ||
        !same_key(store_entry(cache, ref), key, n) || !is_current(cache, ticket, ref)) {
        pins_drop(cache, pin);
        return false;
    }
    cache_describe(cache, store_entry(cache, ref), pin, hit);
    hit->body_n = 0;
    return true;
}

bool cache_ticket_sleep(struct cache *cache, uint32_t ticket, const struct cache_ticket_view *seen)
{
    struct cache_ticket_shm *t = at(cache, ticket);
    _Atomic uint64_t *word = &t->asleep[cache->slot / WORD];
    if (!(atomic_load_explicit(word, memory_order_relaxed) & own_bit(cache)))
        atomic_fetch_or_explicit(word, own_bit(cache), memory_order_seq_cst);
    atomic_thread_fence(memory_order_seq_cst);
    return ticket_state(cache, t) == seen->state &&
           atomic_load_explicit(&t->published, memory_order_acquire) == seen->published;
}

/* --- deaths, and proof ---------------------------------------------------------------------- */

static void forget_set(struct cache *cache, uint32_t set, uint32_t slot)
{
    for (uint32_t i = 0; i < STORE_WAYS; i++) {
        uint32_t ticket = set * STORE_WAYS + i + 1;
        if (atomic_load_explicit(tag_of(cache, ticket), memory_order_relaxed) == 0)
            continue;
        atomic_fetch_and_explicit(&at(cache, ticket)->held[slot / WORD],
                                  ~(UINT64_C(1) << slot % WORD), memory_order_relaxed);
        CRASH_POINT();
        sweep(cache, ticket);
    }
}

void cache_ticket_forget(struct cache *cache, uint32_t slot)
{
    atomic_fetch_add_explicit(&cache->shm->rows[slot].epoch, 1, memory_order_seq_cst);
    CRASH_POINT();
    for (uint32_t shard = 0; shard < cache->g.shards; shard++) {
        lock_sets(cache, shard);
        for (uint32_t i = 0; i < cache->g.tickets; i++)
            forget_set(cache, shard * cache->g.tickets + i, slot);
        unlock_sets(cache, shard);
    }
}

const char *cache_ticket_fault(struct cache *cache)
{
    const char *fault = NULL;
    for (uint32_t shard = 0; shard < cache->g.shards && !fault; shard++) {
        uint32_t first = shard * cache->g.tickets * STORE_WAYS + 1;
        lock_sets(cache, shard);
        for (uint32_t i = first; i < first + cache->g.tickets * STORE_WAYS; i++) {
            if (atomic_load_explicit(tag_of(cache, i), memory_order_relaxed) != 0 &&
                !is_held(at(cache, i)))
                fault = "a ticket is in use that nobody holds";
        }
        unlock_sets(cache, shard);
    }
    return fault;
}
