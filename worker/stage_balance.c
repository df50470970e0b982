/* SPDX-License-Identifier: Apache-2.0 */
/* Which peer takes the request: the upstream's algorithm decides, peers that were tried already
 * come last. */
#include "worker/stream_life.h"

enum stage_result stage_balance(struct stream *s)
{
    struct upstream_state *state = &s->w->upstreams[s->service->upstream->index];

    if (s->same_peer) {
        s->same_peer = false;
        return STAGE_NEXT;
    }
    s->peer = balance_pick(state->balancer, &s->tried);
    if (!s->peer) {
        s->cause = "no peer available";
        stream_set_response(s, SLICE("Retry-After"), SLICE("10"));
        return stream_answer(s, 503, "failure to get a peer from the ring-balancer");
    }
    balance_tried(&s->tried, s->peer);
    return STAGE_NEXT;
}
