/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each worker counts what it has under way in its own part of shared memory, so that a dead one's
 * places are free when it is reaped. A place at a peer that has a limit is taken under the
 * upstream's lock: the sum over all workers is read and the own count raised by one owner of the
 * lock at a time, so that the limit is never passed, nor is a place refused that is free. Nothing
 * else is written under the lock, hence there is nothing to mend when its owner dies. Giving a
 * place back takes no lock: a sum that is read meanwhile is too high, never too low. The budget of
 * retries is kept in the same way.
 *
 * Nobody sleeps while a place is free: who joins the queue counts himself first and asks once more
 * then, who gives a place back looks at the queue after it, each with a full barrier between; so at
 * least one of the two sees the other. Who leaves the queue without a place passes the word on. A
 * worker that dies gives back without a word: the master rings for it when its counts are gone (and
 * should nobody ring, the first in each queue asks again every second).
 */
#include "worker/upstream/placing.h"
#include "shm/assert.h"

enum { RETRIES_MIN = 3, ASK_AGAIN = 1000 /* ms */ };

struct waiter {
    struct waiter *next, *prev;
    struct stream *s;
    struct upstream_state *at;
    struct timer timer;
    int64_t until;
    bool queued;
};

static struct upstream_state *state_of(const struct stream *s)
{
    return &s->w->upstreams[s->peer->upstream->index];
}

/* Only this process writes its counts. */
static void add(_Atomic uint32_t *count, int step)
{
    if (count)
        atomic_store_explicit(count,
                              atomic_load_explicit(count, memory_order_relaxed) + (uint32_t)step,
                              memory_order_relaxed);
}

/* --- the lock ------------------------------------------------------------------------------- */

static void hold(const struct worker *w, struct upstream_state *u)
{
    if (u->row && lock_take(&u->row->places, w->heritage->slot) == LOCK_SUSPECT)
        lock_sound(&u->row->places);
}

static void release(const struct worker *w, struct upstream_state *u)
{
    if (u->row)
        lock_give(&u->row->places, w->heritage->slot);
}

/* --- places --------------------------------------------------------------------------------- */

static void wake_own(struct loop_later *later)
{
    struct worker *w = (struct worker *)((char *)later - offsetof(struct worker, places_later));

    w->places_put_off = false;
    placing_heard(w);
}

/* A place may be free. */
static void tell(struct worker *w, const struct upstream_state *u)
{
    atomic_thread_fence(memory_order_seq_cst);
    if (u->first && !w->places_put_off) {
        w->places_put_off = true;
        loop_defer(&w->loop, &w->places_later, wake_own);
    }
    for (uint32_t slot = 0; slot < health_tally_slots(&u->all[HEALTH_WAITING]); slot++)
        if (slot != w->heritage->slot && health_tally_of(&u->all[HEALTH_WAITING], slot) > 0)
            bells_ring(&w->heritage->bells, slot);
}

void placing_use(struct worker *w, const struct peer_set *set)
{
    struct upstream_state *u = &w->upstreams[set->upstream->index];
    const struct zone *zone = &w->heritage->health;

    for (int i = 0; i < HEALTH_COUNTS; i++) {
        health_tally_upstream(zone, set->row, (enum health_count)i, &u->all[i]);
        u->own[i] = health_tally_own(zone, &u->all[i], w->heritage->slot);
    }
    u->row = set->row;
    u->limited = false;
    for (size_t i = 0; i < set->n; i++)
        u->limited |= set->v[i]->max_connections > 0;
    if (u->first)
        tell(w, u); /* there may be more places now */
}

bool placing_take(struct stream *s, struct peer *peer)
{
    struct upstream_state *u = &s->w->upstreams[peer->upstream->index];
    bool free = true;

    must(!s->placed);
    if (peer->max_connections > 0) {
        hold(s->w, u);
        free = balance_has_place(peer);
        if (free)
            add(peer->in_flight, 1);
        release(s->w, u);
    } else {
        add(peer->in_flight, 1);
    }
    if (!free)
        return false;
    add(u->own[HEALTH_ACTIVE], 1);
    stream_take_peer(s, peer);
    s->placed = true;
    return true;
}

void placing_leave(struct stream *s)
{
    struct upstream_state *u;

    if (!s->placed)
        return;
    u = state_of(s);
    s->placed = false;
    add(s->peer->in_flight, -1);
    add(u->own[HEALTH_ACTIVE], -1);
    if (u->limited)
        tell(s->w, u);
}

/* --- the queue ------------------------------------------------------------------------------ */

static void ask_again(struct timer *t)
{
    struct waiter *q = (struct waiter *)((char *)t - offsetof(struct waiter, timer));
    int64_t now = q->s->w->loop.now.ms, next = now + ASK_AGAIN;

    if (now < q->until)
        timer_set(&q->s->w->loop.timers, &q->timer, next < q->until ? next : q->until, ask_again);
    if (now >= q->until || placing_is_first(q->s))
        stream_wake(q->s);
}

static uint64_t waiting(const struct upstream_state *u)
{
    return health_tally_sum(&u->all[HEALTH_WAITING]);
}

bool placing_is_queued(const struct stream *s)
{
    return s->waiter && s->waiter->queued;
}

bool placing_must_queue(struct stream *s, struct upstream_state *u)
{
    if (placing_is_queued(s) && s->waiter->at != u)
        placing_unqueue(s); /* the service has another upstream now */
    if (placing_is_queued(s))
        return !placing_is_first(s);
    return u->limited && (u->first || waiting(u) > 0);
}

bool placing_is_first(const struct stream *s)
{
    return placing_is_queued(s) && s->waiter->at->first == s->waiter;
}

bool placing_expired(const struct stream *s)
{
    return placing_is_queued(s) && s->w->loop.now.ms >= s->waiter->until;
}

static bool count_in(struct stream *s, struct upstream_state *u, const struct conf_upstream *conf)
{
    bool room;

    hold(s->w, u);
    room = waiting(u) < (uint64_t)(unsigned)conf->queue_size;
    if (room)
        add(u->own[HEALTH_WAITING], 1);
    release(s->w, u);
    atomic_thread_fence(memory_order_seq_cst);
    return room;
}

bool placing_queue(struct stream *s, const struct conf_upstream *conf)
{
    struct upstream_state *u = &s->w->upstreams[conf->index];
    struct waiter *q = s->waiter;

    if (q && q->queued)
        return true;
    if (!q)
        q = arena_take(&s->arena, sizeof *q);
    if (!q || !count_in(s, u, conf))
        return false;
    if (!s->waiter)
        *q = (struct waiter){ .s = s,
                              .until = s->w->loop.now.ms + (int64_t)(conf->queue_timeout * 1000) };
    s->waiter = q;
    q->at = u;
    q->queued = true;
    q->next = NULL;
    q->prev = u->last;
    if (u->last)
        u->last->next = q;
    else
        u->first = q;
    u->last = q;
    s->w->queued++;
    int64_t next = s->w->loop.now.ms + ASK_AGAIN;
    timer_set(&s->w->loop.timers, &q->timer, next < q->until ? next : q->until, ask_again);
    return true;
}

/* Others may have heard of a place that was meant for this one: they are told once more. */
void placing_unqueue(struct stream *s)
{
    struct waiter *q = s->waiter;

    if (!q || !q->queued)
        return;
    q->queued = false;
    if (q->next)
        q->next->prev = q->prev;
    else
        q->at->last = q->prev;
    if (q->prev)
        q->prev->next = q->next;
    else
        q->at->first = q->next;
    s->w->queued--;
    timer_drop(&s->w->loop.timers, &q->timer);
    add(q->at->own[HEALTH_WAITING], -1);
    tell(s->w, q->at);
}

bool placing_alone(const struct stream *s)
{
    return placing_is_first(s) && waiting(s->waiter->at) == 1;
}

void placing_heard(struct worker *w)
{
    for (size_t i = 0; w->queued > 0 && i < w->conf->upstreams_n; i++)
        if (w->upstreams[i].first)
            stream_wake(w->upstreams[i].first->s);
}

/* --- retries -------------------------------------------------------------------------------- */

/* Under the lock, as places are: of several workers that ask at the same moment exactly so many get
 * their retry as there is room for. */
bool placing_retry(struct stream *s)
{
    struct upstream_state *u = state_of(s);
    uint64_t percent = (uint64_t)(unsigned)s->peer->upstream->retry_budget_percent;

    if (s->retrying || !u->own[HEALTH_RETRIES])
        return true;
    hold(s->w, u);
    uint64_t active = health_tally_sum(&u->all[HEALTH_ACTIVE]) + 1; /* the one that asks */
    uint64_t budget = active * percent / 100, allowed = budget > RETRIES_MIN ? budget : RETRIES_MIN;
    if (health_tally_sum(&u->all[HEALTH_RETRIES]) < allowed) {
        add(u->own[HEALTH_RETRIES], 1);
        s->retrying = u;
    }
    release(s->w, u);
    return s->retrying != NULL;
}

void placing_retried(struct stream *s)
{
    if (s->retrying)
        add(s->retrying->own[HEALTH_RETRIES], -1);
    s->retrying = NULL;
}
