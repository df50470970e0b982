/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every way of sending a body needs: the one place where bytes are given to the client, and
 * the ways in which an answer ends before its time.
 */
#include "worker/respond.h"
#include "worker/body/body_filter_life.h"
#include "worker/caching/ahead.h"
#include "worker/caching/detached.h"
#include "worker/caching/storing.h"
#include "worker/replying.h"
#include "worker/upstream/passive.h"
#include "worker/upstream/placing.h"
#include "worker/upstream/upstream.h"

/* A filter refused the response and gave the client another one: the source is of no use. */
static bool end_early(struct stream *s)
{
    storing_abort(s);
    if (s->up)
        upstream_drop(&s->up);
    s->step = STEP_FLUSH;
    return true;
}

bool respond_give(struct stream *s, struct iovec *iov, int n, bool end)
{
    const struct reply *reply = s->head_sent ? NULL : &s->reply;

    for (int i = 0; i < n; i++)
        s->body_sent += iov[i].iov_len;
    s->head_sent = true;
    if (end) {
        s->step = STEP_FLUSH;
        placing_clear(s);
    }
    if (__builtin_expect(!s->filters, 1))
        return s->carrier->send(s, reply, iov, n, end);
    if (!body_filter_send(s, reply != NULL, iov, n, end))
        return false;
    return end || !body_filter_closed(s) || end_early(s);
}

bool respond_push(struct stream *s)
{
    return !s->filters || !s->head_sent || body_filter_flush(s);
}

enum stage_result respond_gone(struct stream *s)
{
    if (!s->cause)
        s->cause = "client closed the connection";
    storing_abort(s);
    return STAGE_FAIL;
}

enum stage_result respond_left(struct stream *s)
{
    if (!detached_begin(s))
        return respond_gone(s);
    if (s->step == STEP_AHEAD) {
        ahead_end(s);
        s->step = STEP_STREAM;
    }
    if (s->filters)
        body_filter_end(s);
    return STAGE_NEXT;
}

enum stage_result respond_cut_short(struct stream *s)
{
    s->cut = s->reply.length == REPLY_UNKNOWN && !s->chunked_out;
    storing_abort(s);
    return STAGE_FAIL;
}

bool respond_take_back(struct stream *s)
{
    if (s->head_sent && !(s->filters && body_filter_retract(s)))
        return false;
    s->head_sent = false;
    storing_abort(s);
    upstream_drop(&s->up);
    s->body_sent = 0;
    s->step = STEP_HEAD;
    return true;
}

void respond_count_out(struct stream *s)
{
    s->up_ended = s->w->loop.now.us;
    passive_end(s);
    placing_leave(s);
    placing_retried(s);
}

void respond_hand_back(struct stream *s, bool clean)
{
    upstream_deadline(s->up, 0);
    if (clean && s->request_sent && outbuf_empty(&s->up->out) && s->up_keep)
        upstream_keep(&s->up);
    else
        upstream_drop(&s->up);
}

void respond_let_go(struct stream *s, bool clean)
{
    if (clean)
        respond_count_out(s);
    else
        s->up_ended = s->w->loop.now.us;
    respond_hand_back(s, clean);
}

enum stage_result respond_wait(struct stream *s, bool for_client)
{
    if (s->carrier->abandoned(s)) {
        enum stage_result r = respond_left(s);
        if (r != STAGE_NEXT)
            return r;
    }
    upstream_deadline(s->up, for_client ? 0 : s->service->read_timeout);
    return STAGE_WAIT;
}

void respond_complete(struct stream *s)
{
    if (replying_complete(s))
        return;
    storing_abort(s);
    if (s->up)
        respond_let_go(s, false);
    s->step = STEP_HEAD;
}
