/* SPDX-License-Identifier: Apache-2.0 */
/* Which peer takes the request: the upstream's algorithm decides, peers that were tried already
 * come last. */
#include "worker/stream_life.h"

enum stage_result stage_balance(struct stream *s)
{
    struct worker *w = s->w;
    struct upstream_state *state = &w->upstreams[s->service->upstream->index];

    if (s->same_peer) {
        s->same_peer = false;
        return STAGE_NEXT;
    }
    if (peers_stale(&w->peers))
        peers_renew(&w->peers);
    struct peer *peer = state->balancer ? balance_pick(state->balancer, &s->tried) : NULL;
    stream_take_peer(s, peer);
    if (!peer) {
        s->cause = "no peer available";
        stream_set_response(s, SLICE("Retry-After"), SLICE("10"));
        return stream_answer(s, 503, "failure to get a peer from the ring-balancer");
    }
    balance_tried(state->balancer, &s->tried, peer);
    return STAGE_NEXT;
}
