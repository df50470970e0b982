/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changes of a row's state: the rules of shm/verdict.h over one word, by compare-and-swap. Who
 * swaps from one state to another has made the change, and he alone writes its time and cause, its
 * line in the log, and lets the zone's count of changes grow, in this order and last: who saw the
 * count grow sees the rest. Should he die on the way, the state holds all the same, and the next
 * change of any peer makes everybody look.
 *
 * What requests see is read by many workers, each in its own time, so it has to be put in order: a
 * failure that counts raises `failed` before it swaps the word, a way back raises `recovered`. Who
 * finds a count or a state in the word therefore finds its moment as well (release and acquire of
 * the word), and leaves out what is older. A moment whose word was never swapped, because its
 * writer died or somebody else was first, is that of something that did happen: it is no lie.
 */
#include "shm/assert.h"
#include "shm/health_parts.h"
#include <stdio.h>
#include <time.h>

#define HEALTH_STATE_LEFT UINT64_MAX /* in place of a generation: in no set now */

struct health_step {
    struct health_peer_shm *peer;
    const struct health_seen *seen;
    const struct health_now *now;
};

const char *health_state_name(enum health_state state)
{
    return state == HEALTH_UP ? "up" : state == HEALTH_TRIAL ? "trial" : "down";
}

/* Chance enough for a tenth of a delay: it differs over peers and moments. */
static struct verdict_now health_present(const struct health_peer_shm *peer,
                                         const struct health_now *now)
{
    uint64_t mixed =
        (atomic_load_explicit(&peer->identity, memory_order_relaxed) ^ (uint64_t)now->ms) *
        UINT64_C(0x9e3779b97f4a7c15);
    return (struct verdict_now){ .tick = health_tick(now->ms), .chance = (uint32_t)(mixed >> 32) };
}

static void health_log_change(const struct health_step *step, enum health_state to)
{
    const struct health_seen *seen = step->seen;
    struct health_entry e = { .real_ms = step->now->real_ms,
                              .took = seen->took,
                              .status = (uint16_t)seen->status,
                              .kind = HEALTH_TRANSITION,
                              .cause = (uint8_t)seen->cause,
                              .source = (uint8_t)seen->source,
                              .event = (uint8_t)seen->event,
                              .state = (uint8_t)to };

    (void)snprintf(e.text, sizeof e.text, "%s", seen->text ? seen->text : "");
    health_log_add(step->now->zone, step->peer, &e);
}

/* What the one who swapped the word has to tell. */
static enum health_change health_tell(const struct health_step *step, enum health_state from,
                                      enum health_state to)
{
    struct health_peer_shm *p = step->peer;
    struct health_view v;

    if (from == to)
        return HEALTH_SAME;
    bool down = from == HEALTH_UP, up = to == HEALTH_UP;
    if (down || up) {
        atomic_store(&p->since, (uint64_t)step->now->real_ms);
        atomic_fetch_add(&p->changes, 1);
    }
    if (to != HEALTH_TRIAL) {
        atomic_store(&p->cause, step->seen->cause);
        atomic_store(&p->status, (uint32_t)step->seen->status);
    }
    health_log_change(step, to);
    if (health_view_of(step->now->zone, &v))
        atomic_fetch_add_explicit(&v.head->changes, 1, memory_order_release);
    return up ? HEALTH_WENT_UP : down ? HEALTH_WENT_DOWN : HEALTH_SAME;
}

static uint64_t health_word(const struct health_peer_shm *peer)
{
    return atomic_load_explicit(&peer->verdict, memory_order_acquire);
}

static void health_raise(_Atomic uint64_t *moment, int64_t us)
{
    uint64_t known = atomic_load(moment);

    while (us > 0 && known < (uint64_t)us &&
           !atomic_compare_exchange_weak(moment, &known, (uint64_t)us))
        ;
}

/* One try to swap; false: somebody else did meanwhile, `word` is what he left. */
static bool health_swap(struct health_peer_shm *peer, uint64_t *word, const struct verdict *to)
{
    uint64_t wanted = verdict_pack(to);

    return wanted == *word ||
           atomic_compare_exchange_weak_explicit(&peer->verdict, word, wanted, memory_order_acq_rel,
                                                 memory_order_acquire);
}

/* The same, where it may be the way back. */
static bool health_step_to(const struct health_step *step, uint64_t *word, const struct verdict *to)
{
    if (to->state == HEALTH_UP && verdict_unpack(*word).state != HEALTH_UP)
        health_raise(&step->peer->recovered, step->now->ms * 1000);
    return health_swap(step->peer, word, to);
}

/* What the event comes to, beside all that the word knows of: called with the word read. */
static enum verdict_event health_weigh(const struct health_peer_shm *peer,
                                       const struct health_seen *seen)
{
    uint64_t since = (uint64_t)seen->since;

    if (seen->source != VERDICT_PASSIVE)
        return seen->event; /* probes of a peer come one after the other */
    if (seen->event == VERDICT_SUCCESS && since <= atomic_load(&peer->failed))
        return VERDICT_LATE;
    if (seen->event < VERDICT_FAILURES && since > 0 && since <= atomic_load(&peer->recovered))
        return VERDICT_NEITHER;
    return seen->event;
}

static void health_mark(struct health_peer_shm *peer, const struct health_seen *seen)
{
    if (seen->source == VERDICT_PASSIVE && health_weigh(peer, seen) == VERDICT_TCP_FAILURE)
        health_raise(&peer->failed, seen->until);
}

enum health_change health_state_count(struct health_peer_shm *peer, const struct health_seen *seen,
                                      const struct verdict_limits *limits,
                                      const struct health_now *now)
{
    const struct health_step step = { peer, seen, now };
    struct verdict_now present = health_present(peer, now);
    uint64_t word;
    struct verdict from, to;

    health_mark(peer, seen);
    word = health_word(peer);
    do {
        from = verdict_unpack(word);
        to = verdict_count(from, seen->source, health_weigh(peer, seen), limits, &present);
    } while (!health_step_to(&step, &word, &to));
    return health_tell(&step, from.state, to.state);
}

/* --- the trial ------------------------------------------------------------------------------ */

bool health_state_may_try(const struct health_peer_shm *peer, int64_t ms)
{
    struct verdict v = verdict_unpack(atomic_load_explicit(&peer->verdict, memory_order_relaxed));

    return verdict_may_try(&v, health_tick(ms));
}

bool health_state_try(struct health_peer_shm *peer, uint32_t slot, int64_t patience,
                      const struct health_now *now)
{
    static const struct health_seen trial = { .source = VERDICT_PASSIVE,
                                              .cause = HEALTH_CAUSE_TRIAL };
    const struct health_step step = { peer, &trial, now };
    uint64_t word = health_word(peer);
    struct verdict from, to;
    struct health_view v;

    must(slot < BOARD_SLOTS);
    if (!health_state_may_try(peer, now->ms))
        return false;
    if (health_view_of(now->zone, &v)) /* before it has one: should it die in between */
        atomic_store(&v.head->tries[slot], 1);
    do {
        from = verdict_unpack(word);
        if (!verdict_may_try(&from, health_tick(now->ms)))
            return false;
        to = verdict_try(from, (uint16_t)slot, health_tick(patience), health_tick(now->ms));
    } while (!health_swap(peer, &word, &to));
    health_tell(&step, from.state, to.state);
    return true;
}

enum health_change health_state_conclude(struct health_peer_shm *peer, uint32_t slot,
                                         const struct health_seen *seen,
                                         const struct verdict_limits *limits,
                                         const struct health_now *now)
{
    const struct health_step step = { peer, seen, now };
    struct verdict_now present = health_present(peer, now);
    uint64_t word;
    struct verdict from, to;

    must(slot < VERDICT_NOBODY);
    health_mark(peer, seen);
    word = health_word(peer);
    do {
        from = verdict_unpack(word);
        to = verdict_conclude(from, (uint16_t)slot, seen->event, limits, &present);
    } while (!health_step_to(&step, &word, &to));
    return health_tell(&step, from.state, to.state);
}

static void health_give_up(struct health_peer_shm *peer, uint32_t slot, uint32_t tick)
{
    uint64_t word = health_word(peer);
    struct verdict from, to;

    do {
        from = verdict_unpack(word);
        to = verdict_abandon(from, (uint16_t)slot, tick);
    } while (!health_swap(peer, &word, &to));
}

void health_state_abandon(struct health_peer_shm *peer, uint32_t slot, const struct health_now *now)
{
    must(slot < VERDICT_NOBODY);
    health_give_up(peer, slot, health_tick(now->ms));
}

void health_state_forget(const struct health_view *v, uint32_t slot)
{
    struct timespec now;

    if (slot >= BOARD_SLOTS || !atomic_exchange(&v->head->tries[slot], 0))
        return;
    clock_gettime(CLOCK_MONOTONIC, &now);
    for (uint32_t i = 0; i < v->peers_n; i++)
        if (health_state(&v->peers[i]) == HEALTH_TRIAL)
            health_give_up(&v->peers[i], slot,
                           health_tick((int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000));
}

/* --- from outside --------------------------------------------------------------------------- */

enum health_change health_state_set(struct health_peer_shm *peer, enum health_state state,
                                    const struct health_now *now)
{
    static const struct health_seen hand = { .cause = HEALTH_CAUSE_HAND };
    const struct health_step step = { peer, &hand, now };
    struct verdict to = verdict_set(state);
    uint64_t word = health_word(peer);

    while (!health_step_to(&step, &word, &to))
        ;
    return health_tell(&step, verdict_unpack(word).state, to.state);
}

enum health_change health_state_settle(struct health_peer_shm *peer,
                                       const struct verdict_limits *limits,
                                       const struct health_now *now)
{
    static const struct health_seen settings = { .cause = HEALTH_CAUSE_SETTINGS };
    const struct health_step step = { peer, &settings, now };
    struct verdict_now present = health_present(peer, now);
    uint64_t word = health_word(peer);
    struct verdict from, to;

    do {
        from = verdict_unpack(word);
        to = verdict_settle(from, limits, &present);
    } while (!health_step_to(&step, &word, &to));
    return health_tell(&step, from.state, to.state);
}

/* The word is what counts; the log goes on, it says that the target is new. */
enum health_change health_state_attend(struct health_peer_shm *peer, uint64_t generation,
                                       const struct health_now *now)
{
    static const struct health_seen again = { .cause = HEALTH_CAUSE_NEW };
    const struct health_step step = { peer, &again, now };
    uint64_t before = atomic_exchange(&peer->attended, generation);
    uint64_t word = health_word(peer);
    struct verdict to = verdict_set(HEALTH_UP);

    if (before == 0 || (before != HEALTH_STATE_LEFT && before + 1 >= generation))
        return HEALTH_SAME;
    atomic_store(&peer->opened, (uint64_t)now->ms);
    while (!health_step_to(&step, &word, &to))
        ;
    return health_tell(&step, verdict_unpack(word).state, to.state);
}

void health_state_leave(struct health_peer_shm *peer)
{
    atomic_store(&peer->attended, HEALTH_STATE_LEFT);
}

uint64_t health_state_changes(const struct zone *zone)
{
    const struct health_shm *head = region_body(zone);
    return atomic_load_explicit(&head->changes, memory_order_acquire);
}

void health_state_ask(const struct zone *zone, struct health_peer_shm *peer)
{
    struct health_shm *head = region_body(zone);

    atomic_fetch_add(&peer->asked, 1);
    atomic_fetch_add_explicit(&head->asks, 1, memory_order_release);
}

uint32_t health_state_asks(const struct zone *zone)
{
    const struct health_shm *head = region_body(zone);
    return atomic_load_explicit(&head->asks, memory_order_acquire);
}
