/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which peer takes the request: the upstream's algorithm decides, peers that were tried already
 * come last. A peer that is out and whose time has come may be chosen as well; of all requests that
 * do so at the same time one gets the trial, the others choose again among those that are up.
 */
#include "worker/base/shift.h"
#include "worker/upstream/hashing.h"
#include "worker/upstream/passive.h"
#include "worker/upstream/placing.h"

enum { PICKS = 8 /* others may be faster so often */ };

static enum stage_result refuse(struct stream *s, const char *cause)
{
    placing_unqueue(s);
    s->cause = cause;
    stream_set_response(s, SLICE("Retry-After"), SLICE("10"));
    return stream_answer(s, 503, "failure to get a peer from the ring-balancer");
}

/* The peer is the stream's: it has a place there, and the trial where there is one. */
static bool enter(struct stream *s, struct peer *peer)
{
    if (!placing_take(s, peer))
        return false;
    if (passive_enter(s, peer))
        return true;
    stream_take_peer(s, NULL);
    s->tried.no_trials = true;
    return false;
}

/* An upstream below its threshold serves nobody, but for trials: they are its way back where nobody
 * probes. */
static struct peer *pick_trial(struct stream *s, const struct peer_set *set)
{
    for (size_t i = 0; i < set->n; i++) {
        struct peer *p = set->v[i];
        if (p->row && p->weight > 0 && health_state_may_try(p->row, s->w->loop.now.ms) &&
            enter(s, p))
            return p;
    }
    return NULL;
}

static struct peer *pick(struct stream *s, struct balancer *balancer)
{
    s->tried.now = s->w->loop.now.ms;
    s->tried.real = s->w->loop.now.real_ms;
    s->tried.no_trials = s->tried.any_place = false;
    for (int i = 0; i < PICKS; i++) {
        struct peer *peer = balance_pick(balancer, &s->tried);
        if (!peer || enter(s, peer))
            return peer;
    }
    return NULL;
}

/* Whether there would be a peer, if it had a place. */
static bool is_full(struct stream *s, struct balancer *balancer)
{
    s->tried.any_place = true;
    return balance_pick(balancer, &s->tried) != NULL;
}

static enum stage_result go_on(struct stream *s, struct upstream_state *state)
{
    if (s->waiter)
        placing_unqueue(s);
    balance_tried(state->balancer, &s->tried, s->peer);
    return STAGE_NEXT;
}

static enum stage_result wait_for_place(struct stream *s, const struct conf_upstream *upstream)
{
    struct upstream_state *state = &s->w->upstreams[upstream->index];

    if (s->carrier->abandoned(s)) {
        s->cause = "client closed the connection";
        return STAGE_FAIL;
    }
    if (placing_expired(s))
        return refuse(s, "no place at a peer within queue_timeout");
    bool joined = !placing_is_queued(s);
    if (!placing_queue(s, upstream))
        return refuse(s, "every peer has its max_connections, and the queue is full");
    if (joined && placing_alone(s) && pick(s, state->balancer))
        return go_on(s, state);
    return STAGE_WAIT;
}

static const char *why_none(const struct upstream_state *state, const struct peer_set *set)
{
    if (set->n == 0 && set->unresolved)
        return "no address is known";
    return state->fitness.unhealthy ? "upstream is unhealthy" : "no peer available";
}

/* Whom it may have now; what it means that it has none. */
static enum stage_result choose(struct stream *s, const struct peer_set *set)
{
    struct upstream_state *state = &s->w->upstreams[set->upstream->index];

    if (!state->balancer)
        return refuse(s, "no memory for a balancer");
    if (state->fitness.closed)
        return pick_trial(s, set) ? go_on(s, state) : refuse(s, why_none(state, set));
    if ((state->limited || s->waiter) && placing_must_queue(s, state))
        return wait_for_place(s, set->upstream);
    if (pick(s, state->balancer))
        return go_on(s, state);
    if (state->limited && is_full(s, state->balancer))
        return wait_for_place(s, set->upstream);
    return refuse(s, why_none(state, set));
}

/* A shift draws once a request: its tries stay together. */
static const struct conf_upstream *lead(struct stream *s)
{
    const struct peers *peers = &s->w->peers;
    const struct peers_shift *shift = peers_shift(peers, s->service);

    if (shift && !s->way.drawn && shift_draw(shift->tally, shift->share)) {
        s->way.to = shift->to;
        s->way.mark = shift->mark;
    }
    s->way.drawn = true;
    return s->way.to ? s->way.to : peers_upstream(peers, s->service);
}

enum stage_result stage_balance(struct stream *s)
{
    struct worker *w = s->w;

    if (s->same_peer) {
        s->same_peer = false;
        if (s->trial || fitness_may_use(s->peer, 0)) /* others may have found it dead meanwhile */
            return STAGE_NEXT;
    }
    if (peers_stale(&w->peers))
        peers_renew(&w->peers);
    const struct conf_upstream *upstream = lead(s);
    const struct peer_set *set = peers_of(&w->peers, upstream);
    fitness_refresh(&w->upstreams[upstream->index].fitness, set, &w->heritage->health);
    stream_take_peer(s, NULL);
    if (upstream->algorithm == CONF_CONSISTENT_HASHING && !s->tried.keyed)
        hashing_key(s, upstream);
    return choose(s, set);
}
