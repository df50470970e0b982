/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The response to the client: the head once, then the body as it comes, from the upstream, from
 * shared memory or of our own making. A slow client stops the upstream; with response_buffering the
 * rest goes to the spool instead.
 */
#include "shm/cache_ticket.h"
#include "worker/ahead.h"
#include "worker/body_filter_life.h"
#include "worker/coded.h"
#include "worker/collapsing.h"
#include "worker/conn.h"
#include "worker/detached.h"
#include "worker/invalidating.h"
#include "worker/passive.h"
#include "worker/refreshing.h"
#include "worker/replying.h"
#include "worker/request_body.h"
#include "worker/response_body.h"
#include "worker/resuming.h"
#include "worker/serving.h"
#include "worker/storing.h"
#include "worker/tunnel.h"
#include "worker/upstream.h"
#include "worker/widening.h"

enum { RESPOND_RUNS = 32, RESPOND_PIECE = 128 * 1024, RESPOND_CACHE_IOV = 60 };

enum step {
    STEP_HEAD,
    STEP_COLLECT,
    STEP_OWN,
    STEP_CACHED,
    STEP_JOINED,
    STEP_RESUME,
    STEP_STREAM,
    STEP_AHEAD,
    STEP_SPOOLED,
    STEP_TUNNEL,
    STEP_FLUSH
};

/* --- the head ------------------------------------------------------------------------------- */

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

static void let_go(struct stream *s, bool clean);

/* A stored object was being refreshed: it may be the answer now, in place of what came. */
static void try_stored(struct stream *s)
{
    if (s->answer == ANSWER_OWN) {
        (void)refreshing_failed(s, s->reply.status);
    } else if (s->answer == ANSWER_UPSTREAM && refreshing_answered(s, s->w->reply_head)) {
        let_go(s, s->out_done);
    }
}

/* A plugin may answer in place of the upstream when it has seen what that says: the answer begins
 * anew, as one of our own. */
static void complete(struct stream *s)
{
    if (replying_complete(s))
        return;
    storing_abort(s);
    if (s->up)
        let_go(s, false);
    s->step = STEP_HEAD;
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
    complete(s);
    if (s->filters && s->step == STEP_CACHED)
        coded_begin(s);
    return STAGE_NEXT;
}

/* A filter refused the response and gave the client another one: the source is of no use. */
static bool end_early(struct stream *s)
{
    storing_abort(s);
    if (s->up)
        upstream_drop(&s->up);
    s->step = STEP_FLUSH;
    return true;
}

/* Sends body vectors, the head with the first ones, and the end. The step is FLUSH when there is no
 * more to be sent. */
static bool give(struct stream *s, struct iovec *iov, int n, bool end)
{
    const struct reply *reply = s->head_sent ? NULL : &s->reply;

    for (int i = 0; i < n; i++)
        s->body_sent += iov[i].iov_len;
    s->head_sent = true;
    if (end) {
        s->step = STEP_FLUSH;
        stream_leave_seat(s); /* before the client sees the end and asks again, of any worker */
    }
    if (__builtin_expect(!s->filters, 1))
        return s->carrier->send(s, reply, iov, n, end);
    if (!body_filter_send(s, reply != NULL, iov, n, end))
        return false;
    return end || !body_filter_closed(s) || end_early(s);
}

/* The source has nothing more right now: what filters kept should not wait for it. */
static bool push(struct stream *s)
{
    return !s->filters || !s->head_sent || body_filter_flush(s);
}

static enum stage_result gone(struct stream *s)
{
    if (!s->cause)
        s->cause = "client closed the connection";
    storing_abort(s);
    return STAGE_FAIL;
}

/* The same where the response is on its way into the cache: it goes on without the client. */
static enum stage_result left(struct stream *s)
{
    if (!detached_begin(s))
        return gone(s);
    if (s->step == STEP_AHEAD) {
        ahead_end(s);
        s->step = STEP_STREAM;
    }
    if (s->filters)
        body_filter_end(s);
    return STAGE_NEXT;
}

/* Part of a response went out and the rest never will. The client sees it by the framing; where the
 * end of the connection is the framing, only a reset tells. */
static enum stage_result cut_short(struct stream *s)
{
    s->cut = s->reply.length == REPLY_UNKNOWN && !s->chunked_out;
    storing_abort(s);
    return STAGE_FAIL;
}

/* Whether nothing was said yet of what came: there is still another answer, which begins anew. */
static bool take_back(struct stream *s)
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

static enum stage_result broke(struct stream *s, struct iovec *iov, int n)
{
    stats_add(&s->w->stats->upstream_failures, 1);
    if (!take_back(s))
        return give(s, iov, n, false) && push(s) ? cut_short(s) : gone(s);
    stream_answer(s, 502, "An invalid response was received from the upstream server");
    return STAGE_NEXT;
}

/* The peer answers before it has all of a request that then turns out to be none. */
static enum stage_result refused(struct stream *s)
{
    if (!take_back(s)) {
        s->cause = "a plugin refused the request's body";
        return cut_short(s);
    }
    request_body_refuse(s);
    return STAGE_NEXT;
}

/* --- bodies --------------------------------------------------------------------------------- */

static enum stage_result send_own(struct stream *s)
{
    struct iovec iov = { (void *)(uintptr_t)s->own_body.p, s->own_body.n };

    return give(s, &iov, s->own_body.n ? 1 : 0, true) ? STAGE_NEXT : gone(s);
}

static enum stage_result send_cached(struct stream *s)
{
    struct iovec iov[RESPOND_CACHE_IOV];
    bool broken;

    while (s->step == STEP_CACHED) {
        if (!s->carrier->flushed(s, &broken)) {
            if (broken)
                return gone(s);
            return STAGE_WAIT;
        }
        uint64_t before = s->body_sent;
        int n = serving_next(s, iov, RESPOND_CACHE_IOV, RESPOND_PIECE);
        bool end = serving_done(s);
        if (!give(s, iov, n, end))
            return gone(s);
        if (s->step == STEP_FLUSH)
            break;
        if (!cache_keep(s->cache, &s->hit)) {
            s->hit.entry = NULL;
            s->cause = "no room for a pin";
            return cut_short(s);
        }
        if (!stream_may_go_on(s, (size_t)(s->body_sent - before)))
            return STAGE_WAIT;
    }
    cache_unpin(s->cache, &s->hit);
    s->hit.entry = NULL;
    return STAGE_NEXT;
}

/* An object that is still being filled, as far as it is. */
static enum stage_result send_joined(struct stream *s)
{
    struct iovec iov[RESPOND_CACHE_IOV];
    bool broken, end = false;

    while (s->step == STEP_JOINED) {
        if (s->head_sent && !s->carrier->flushed(s, &broken))
            return broken ? gone(s) : STAGE_WAIT;
        uint64_t before = s->cached_at;
        int n = collapsing_next(s, iov, RESPOND_CACHE_IOV, RESPOND_PIECE, &end);
        if (n < 0) {
            s->cause = "the fill that was read along ended early";
            return resuming_begin(s) ? STAGE_RETRY : cut_short(s);
        }
        resuming_note(s, iov, n);
        if (n == 0 && !end && s->head_sent) {
            if (s->carrier->abandoned(s) || !push(s))
                return gone(s);
            if (collapsing_sleep(s))
                return STAGE_WAIT;
            continue;
        }
        if (!give(s, iov, n, end))
            return gone(s);
        if (s->step == STEP_JOINED && !stream_may_go_on(s, (size_t)(s->cached_at - before)))
            return STAGE_WAIT;
    }
    cache_unpin(s->cache, &s->hit);
    s->hit.entry = NULL;
    return STAGE_NEXT;
}

/* The peer is done with: kept for others when both messages ended cleanly. */
static void let_go(struct stream *s, bool clean)
{
    s->up_ended = s->w->loop.now.us;
    if (clean)
        passive_end(s);
    upstream_deadline(s->up, 0);
    if (clean && s->request_sent && outbuf_empty(&s->up->out) && s->up_keep)
        upstream_keep(&s->up);
    else
        upstream_drop(&s->up);
}

/* What is there of the body, in one go. END: it is complete. */
static enum response_run gather(struct stream *s, struct iovec *iov, int *n)
{
    enum response_run r = RESPONSE_RUN;
    struct slice run;

    for (*n = 0; *n < RESPOND_RUNS; ++*n) {
        r = response_body_next(s, *n == 0, &run);
        if (r != RESPONSE_RUN)
            break;
        storing_append(s, run);
        iov[*n] = (struct iovec){ (void *)(uintptr_t)run.p, run.n };
    }
    if (r == RESPONSE_RUN && s->out_done)
        r = RESPONSE_END;
    if (r != RESPONSE_END)
        storing_progress(s);
    return r;
}

/* A body that is sent while it still comes: the request's own body may still be under way as well.
 * False: a plugin refuses that. */
static bool keep_sending(struct stream *s)
{
    if (s->up->write_broken || (s->request_sent && outbuf_empty(&s->up->out)))
        return true;
    enum body_state b = request_body_pump(s, (struct slice){ NULL, 0 });
    if (b != BODY_GOING && b != BODY_SENT)
        s->up->write_broken = true;
    return b != BODY_REFUSED;
}

static enum stage_result wait_for_more(struct stream *s, bool for_client)
{
    if (s->carrier->abandoned(s)) {
        enum stage_result r = left(s);
        if (r != STAGE_NEXT)
            return r;
    }
    upstream_deadline(s->up, for_client ? 0 : s->service->read_timeout);
    return STAGE_WAIT;
}

/* An object outgrew the cache while it was read along: its reader asks for itself, and goes on
 * where it was. */
static enum stage_result send_resumed(struct stream *s)
{
    struct slice run;
    size_t skipped;

    while (!resuming_done(s)) {
        switch (resuming_next(s, &run, &skipped)) {
        case RESPONSE_RUN:
            break;
        case RESPONSE_WAIT:
            return wait_for_more(s, false);
        default:
            s->cause = "what was read along is not what comes now";
            return resuming_failed(s);
        }
        struct iovec iov = { (void *)(uintptr_t)run.p, run.n };
        if (run.n > 0 && !give(s, &iov, 1, false))
            return gone(s);
        if (!resuming_done(s) && !stream_may_go_on(s, skipped))
            return wait_for_more(s, false);
    }
    if (s->step == STEP_RESUME)
        s->step = STEP_STREAM;
    return STAGE_NEXT;
}

static enum stage_result end_stream(struct stream *s, struct iovec *iov, int n)
{
    storing_commit(s);
    bool ok = give(s, iov, n, true);
    let_go(s, true);
    return ok ? STAGE_NEXT : gone(s);
}

static enum stage_result send_stream(struct stream *s)
{
    struct iovec iov[RESPOND_RUNS];
    bool broken = false;
    int n = 0;

    if (!keep_sending(s))
        return refused(s);
    for (;;) {
        if (s->left && !s->fill)
            return gone(s); /* it went on for the cache's sake, and that is full */
        bool clear = !s->head_sent || s->carrier->flushed(s, &broken);
        if (broken)
            return left(s);
        if (!clear && s->fill && ahead_begin(s)) {
            s->step = STEP_AHEAD;
            return STAGE_NEXT;
        }
        if (!clear)
            return wait_for_more(s, true);
        switch (gather(s, iov, &n)) {
        case RESPONSE_END:
            return end_stream(s, iov, n);
        case RESPONSE_BROKE:
            return broke(s, iov, n);
        case RESPONSE_WAIT:
            if (n == 0 && s->head_sent)
                return push(s) ? wait_for_more(s, false) : left(s);
            break;
        case RESPONSE_RUN:
            break;
        }
        size_t bytes = 0;
        for (int i = 0; i < n; i++)
            bytes += iov[i].iov_len;
        if (!give(s, iov, n, false))
            return left(s);
        if (s->step != STEP_STREAM)
            return STAGE_NEXT;
        if (!stream_may_go_on(s, bytes))
            return wait_for_more(s, false);
    }
}

/* The client takes more: from shared memory, then what did not fit in there; then it has caught up.
 */
static enum stage_result catch_up(struct stream *s)
{
    struct iovec iov[RESPOND_CACHE_IOV];
    uint64_t before = s->body_sent;
    struct slice held = ahead_held(s);

    if (ahead_behind(s) > 0 || !s->up) {
        int n = ahead_next(s, iov, RESPOND_CACHE_IOV, RESPOND_PIECE);
        bool end = !s->up && ahead_behind(s) == 0;
        if (!give(s, iov, n, end))
            return left(s);
        if (s->step == STEP_FLUSH)
            ahead_end(s);
        else if (!stream_may_go_on(s, (size_t)(s->body_sent - before)))
            return s->up ? wait_for_more(s, s->fill == NULL) : STAGE_WAIT;
        return STAGE_NEXT;
    }
    ahead_end(s);
    s->step = STEP_STREAM;
    iov[0] = (struct iovec){ (void *)(uintptr_t)held.p, held.n };
    return held.n == 0 || give(s, iov, 1, false) ? STAGE_NEXT : left(s);
}

/* The client is slower than the upstream, which does not wait for it. */
static enum stage_result send_ahead(struct stream *s)
{
    bool broken;

    if (s->carrier->flushed(s, &broken))
        return catch_up(s);
    if (broken)
        return left(s);
    if (!s->up)
        return STAGE_WAIT;
    if (!s->fill)
        return wait_for_more(s, true);
    switch (ahead_pull(s)) {
    case RESPONSE_RUN:
        return stream_may_go_on(s, RESPOND_PIECE) ? STAGE_NEXT : wait_for_more(s, false);
    case RESPONSE_END:
        let_go(s, true);
        return STAGE_NEXT;
    case RESPONSE_WAIT:
        return wait_for_more(s, false);
    default:
        stats_add(&s->w->stats->upstream_failures, 1);
        return cut_short(s);
    }
}

/* --- response_buffering --------------------------------------------------------------------- */

/* The whole body before a byte of the answer: a peer that breaks half-way costs a 502, not a cut.
 */
static enum stage_result collect(struct stream *s)
{
    struct slice run;

    if (!keep_sending(s))
        return refused(s);
    for (;;) {
        switch (response_body_next(s, true, &run)) {
        case RESPONSE_RUN:
            storing_append(s, run);
            storing_progress(s);
            if (s->left && !s->fill)
                return gone(s);
            if (spool_append(s->spool_out, run.p, run.n)) {
                if (stream_may_go_on(s, run.n))
                    continue;
                return wait_for_more(s, false);
            }
            s->cause = "no room for a buffered response";
            return broke(s, NULL, 0);
        case RESPONSE_END:
            storing_commit(s);
            let_go(s, true);
            s->reply.length = REPLY_LENGTH;
            s->reply.content_length = spool_size(s->spool_out);
            s->step = STEP_SPOOLED;
            complete(s);
            return STAGE_NEXT;
        case RESPONSE_WAIT:
            return wait_for_more(s, false);
        case RESPONSE_BROKE:
            return broke(s, NULL, 0);
        }
    }
}

static enum stage_result send_spooled(struct stream *s)
{
    bool broken;

    while (s->carrier->flushed(s, &broken)) {
        char *from = s->w->scratch + WORKER_SCRATCH;
        ssize_t n = spool_read(s->spool_out, s->spool_out_at, from, WORKER_SPOOL);
        if (n < 0)
            return cut_short(s);
        s->spool_out_at += (uint64_t)n;
        struct iovec iov = { from, (size_t)n };
        bool end = s->spool_out_at == spool_size(s->spool_out);
        if (!give(s, &iov, n ? 1 : 0, end))
            return gone(s);
        if (s->step == STEP_FLUSH)
            return STAGE_NEXT;
        if (!stream_may_go_on(s, (size_t)n))
            return STAGE_WAIT;
    }
    return broken ? gone(s) : STAGE_WAIT;
}

/* --- the rest ------------------------------------------------------------------------------- */

static enum stage_result open_tunnel(struct stream *s)
{
    if (!s->head_sent) {
        stats_add(&s->w->stats->upgraded, 1);
        if (!give(s, NULL, 0, false))
            return gone(s);
    }
    return tunnel_pump(s);
}

/* The stage ends when the last byte has left. */
static enum stage_result flush(struct stream *s)
{
    bool broken;

    if (s->carrier->flushed(s, &broken))
        return STAGE_NEXT;
    return broken ? gone(s) : STAGE_WAIT;
}

enum stage_result stage_respond(struct stream *s)
{
    static enum stage_result (*const steps[])(struct stream *) = {
        [STEP_HEAD] = begin,         [STEP_COLLECT] = collect,     [STEP_OWN] = send_own,
        [STEP_CACHED] = send_cached, [STEP_STREAM] = send_stream,  [STEP_SPOOLED] = send_spooled,
        [STEP_JOINED] = send_joined, [STEP_AHEAD] = send_ahead,    [STEP_TUNNEL] = open_tunnel,
        [STEP_FLUSH] = flush,        [STEP_RESUME] = send_resumed,
    };

    for (;;) {
        uint16_t step = s->step;
        enum stage_result r = steps[step](s);
        if (r != STAGE_NEXT || step == STEP_FLUSH)
            return r;
    }
}
