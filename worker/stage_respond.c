/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The response to the client: the head once, then the body as it comes, from the upstream
 * (respond_upstream.c), from shared memory (respond_stored.c) or of our own making. A slow client
 * stops the upstream; with response_buffering the rest goes to the spool instead.
 */
#include "shm/cache_ticket.h"
#include "worker/body/response_body.h"
#include "worker/body/spool.h"
#include "worker/body/tunnel.h"
#include "worker/caching/coded.h"
#include "worker/caching/collapsing.h"
#include "worker/caching/invalidating.h"
#include "worker/caching/refreshing.h"
#include "worker/caching/resuming.h"
#include "worker/caching/serving.h"
#include "worker/caching/storing.h"
#include "worker/caching/widening.h"
#include "worker/conn.h"
#include "worker/replying.h"
#include "worker/respond.h"
#include "worker/upstream/upstream.h"

/* response_buffering: the head has to outlive the buffer that it was parsed in. */
static enum stage_result hold_back(struct stream *s)
{
    struct head *copy = arena_take(&s->arena, sizeof *copy);

    s->spool_out = spool_make(s->w->conf->prefix.s);
    if (!copy || !s->spool_out || !stream_copy_head(copy, s->w->reply_head, &s->arena)) {
        s->cause = "no memory for a response";
        upstream_drop(&s->up);
        storing_abort(s);
        stream_answer(s, 500, "An unexpected error occurred");
        return STAGE_NEXT;
    }
    s->reply.head = copy;
    s->reply.reason = copy->reason;
    s->step = STEP_COLLECT;
    return STAGE_NEXT;
}

/* A stored object was being refreshed: it may be the answer now, in place of what came. */
static void try_stored(struct stream *s)
{
    if (s->answer == ANSWER_OWN) {
        (void)refreshing_failed(s, s->reply.status);
    } else if (s->answer == ANSWER_UPSTREAM && refreshing_answered(s, s->w->reply_head)) {
        respond_let_go(s, s->out_done);
    }
}

static enum stage_result begin(struct stream *s)
{
    enum stage_result r;

    if (s->resuming) {
        s->step = STEP_RESUME;
        return resuming_answered(s);
    }
    if (s->answer == ANSWER_UPSTREAM) {
        response_body_begin(s, s->w->reply_head);
        s->cache_forward_status = s->w->reply_head->status;
        invalidating_after(s, s->w->reply_head);
        replying_leave_out(s, s->w->reply_head);
    }
    if (s->hit.entry && s->answer != ANSWER_CACHED)
        try_stored(s);
    if (s->ticket)
        collapsing_tell(s);
    switch (s->answer) {
    case ANSWER_UPSTREAM:
        replying_upstream(s, s->w->reply_head);
        if (s->left && !s->fill)
            return STAGE_FAIL; /* it went on for the cache's sake */
        s->step = s->reply.upgrade ? STEP_TUNNEL : STEP_STREAM;
        if (s->wide && (r = widening_answered(s, s->w->reply_head)) != STAGE_NEXT)
            return r;
        if (s->route->response_buffering && s->reply.length != REPLY_NO_BODY)
            return hold_back(s);
        break;
    case ANSWER_CACHED:
        if (s->joined)
            collapsing_reply(s);
        else
            serving_begin(s);
        s->step = s->joined && s->reply.length != REPLY_NO_BODY ? STEP_JOINED : STEP_CACHED;
        break;
    default:
        replying_own(s);
        s->step = STEP_OWN;
        break;
    }
    respond_complete(s);
    if (s->filters && s->step == STEP_CACHED)
        coded_begin(s);
    return STAGE_NEXT;
}

static enum stage_result send_own(struct stream *s)
{
    struct iovec iov = { (void *)(uintptr_t)s->own_body.p, s->own_body.n };

    return respond_give(s, &iov, s->own_body.n ? 1 : 0, true) ? STAGE_NEXT : respond_gone(s);
}

static enum stage_result open_tunnel(struct stream *s)
{
    if (!s->head_sent) {
        stats_add(&s->w->stats->upgraded, 1);
        if (!respond_give(s, NULL, 0, false))
            return respond_gone(s);
    }
    return tunnel_pump(s);
}

/* The stage ends when the last byte has left. */
static enum stage_result flush(struct stream *s)
{
    bool broken;

    if (s->carrier->flushed(s, &broken))
        return STAGE_NEXT;
    return broken ? respond_gone(s) : STAGE_WAIT;
}

enum stage_result stage_respond(struct stream *s)
{
    static enum stage_result (*const steps[])(struct stream *) = {
        [STEP_HEAD] = begin,
        [STEP_COLLECT] = respond_collect,
        [STEP_OWN] = send_own,
        [STEP_CACHED] = respond_cached,
        [STEP_STREAM] = respond_stream,
        [STEP_SPOOLED] = respond_spooled,
        [STEP_JOINED] = respond_joined,
        [STEP_AHEAD] = respond_ahead,
        [STEP_TUNNEL] = open_tunnel,
        [STEP_FLUSH] = flush,
        [STEP_RESUME] = respond_resumed,
    };

    for (;;) {
        uint16_t step = s->step;
        enum stage_result r = steps[step](s);
        if (r != STAGE_NEXT || step == STEP_FLUSH)
            return r;
    }
}
