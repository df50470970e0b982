/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which peer takes the request: the upstream's algorithm decides, peers that were tried already
 * come last. A peer that is out and whose time has come may be chosen as well; of all requests that
 * do so at the same time one gets the trial, the others choose again among those that are up.
 */
#include "worker/hashing.h"
#include "worker/passive.h"

static enum stage_result refuse(struct stream *s, const char *cause)
{
    s->cause = cause;
    stream_set_response(s, SLICE("Retry-After"), SLICE("10"));
    return stream_answer(s, 503, "failure to get a peer from the ring-balancer");
}

/* An upstream below its threshold serves nobody, but for trials: they are its way back where nobody
 * probes. */
static struct peer *pick_trial(struct stream *s, const struct peer_set *set)
{
    for (size_t i = 0; i < set->n; i++) {
        struct peer *p = set->v[i];
        if (p->row && p->weight > 0 && health_state_may_try(p->row, s->w->loop.now.ms) &&
            passive_enter(s, p))
            return p;
    }
    return NULL;
}

static struct peer *pick(struct stream *s, struct balancer *balancer)
{
    struct peer *peer;

    s->tried.now = s->w->loop.now.ms;
    s->tried.real = s->w->loop.now.real_ms;
    s->tried.no_trials = false;
    peer = balance_pick(balancer, &s->tried);
    if (!peer || passive_enter(s, peer))
        return peer;
    s->tried.no_trials = true;
    peer = balance_pick(balancer, &s->tried);
    return peer && passive_enter(s, peer) ? peer : NULL;
}

enum stage_result stage_balance(struct stream *s)
{
    struct worker *w = s->w;

    if (s->same_peer) {
        s->same_peer = false;
        return STAGE_NEXT;
    }
    if (peers_stale(&w->peers))
        peers_renew(&w->peers);
    const struct conf_upstream *upstream = peers_upstream(&w->peers, s->service);
    struct upstream_state *state = &w->upstreams[upstream->index];
    const struct peer_set *set = peers_of(&w->peers, upstream);
    fitness_refresh(&state->fitness, set, &w->heritage->health);
    stream_take_peer(s, NULL);
    if (upstream->algorithm == CONF_CONSISTENT_HASHING && !s->tried.keyed)
        hashing_key(s, upstream);
    struct peer *peer = !state->balancer        ? NULL
                        : state->fitness.closed ? pick_trial(s, set)
                                                : pick(s, state->balancer);
    if (!peer)
        return refuse(s, set->n == 0 && set->unresolved ? "no address is known"
                         : state->fitness.unhealthy     ? "upstream is unhealthy"
                                                        : "no peer available");
    stream_take_peer(s, peer);
    balance_tried(state->balancer, &s->tried, peer);
    return STAGE_NEXT;
}
