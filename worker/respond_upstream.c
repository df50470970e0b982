/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bodies as the upstream sends them: at the client's speed, or, with response_buffering, into a
 * spool first.
 */
#include "worker/body/request_body.h"
#include "worker/body/response_body.h"
#include "worker/body/spool.h"
#include "worker/caching/ahead.h"
#include "worker/caching/storing.h"
#include "worker/conn.h"
#include "worker/respond.h"
#include "worker/upstream/upstream.h"

enum { RUNS = 32 };

static enum stage_result broke(struct stream *s, struct iovec *iov, int n)
{
    stats_add(&s->w->stats->upstream_failures, 1);
    if (!respond_take_back(s))
        return respond_give(s, iov, n, false) && respond_push(s) ? respond_cut_short(s)
                                                                 : respond_gone(s);
    stream_answer(s, 502, "An invalid response was received from the upstream server");
    return STAGE_NEXT;
}

/* The peer answers before it has all of a request that then turns out to be none. */
static enum stage_result refused(struct stream *s)
{
    if (!respond_take_back(s)) {
        s->cause = "a plugin refused the request's body";
        return respond_cut_short(s);
    }
    request_body_refuse(s);
    return STAGE_NEXT;
}

/* What is there of the body, in one go. END: it is complete. */
static enum response_run gather(struct stream *s, struct iovec *iov, int *n)
{
    enum response_run r = RESPONSE_RUN;
    struct slice run;

    for (*n = 0; *n < RUNS; ++*n) {
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

static enum stage_result end_stream(struct stream *s, struct iovec *iov, int n)
{
    storing_commit(s);
    respond_count_out(s);
    bool ok = respond_give(s, iov, n, true);
    respond_hand_back(s, true);
    return ok ? STAGE_NEXT : respond_gone(s);
}

enum stage_result respond_stream(struct stream *s)
{
    struct iovec iov[RUNS];
    bool broken = false;
    int n = 0;

    if (!keep_sending(s))
        return refused(s);
    for (;;) {
        if (s->left && !s->fill)
            return respond_gone(s); /* it went on for the cache's sake, and that is full */
        bool clear = !s->head_sent || s->carrier->flushed(s, &broken);
        if (broken)
            return respond_left(s);
        if (!clear && s->fill && ahead_begin(s)) {
            s->step = STEP_AHEAD;
            return STAGE_NEXT;
        }
        if (!clear)
            return respond_wait(s, true);
        switch (gather(s, iov, &n)) {
        case RESPONSE_END:
            return end_stream(s, iov, n);
        case RESPONSE_BROKE:
            return broke(s, iov, n);
        case RESPONSE_WAIT:
            if (n == 0 && s->head_sent)
                return respond_push(s) ? respond_wait(s, false) : respond_left(s);
            break;
        case RESPONSE_RUN:
            break;
        }
        size_t bytes = 0;
        for (int i = 0; i < n; i++)
            bytes += iov[i].iov_len;
        if (!respond_give(s, iov, n, false))
            return respond_left(s);
        if (s->step != STEP_STREAM)
            return STAGE_NEXT;
        if (!stream_may_go_on(s, bytes))
            return respond_wait(s, false);
    }
}

enum stage_result respond_collect(struct stream *s)
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
                return respond_gone(s);
            if (spool_append(s->spool_out, run.p, run.n)) {
                if (stream_may_go_on(s, run.n))
                    continue;
                return respond_wait(s, false);
            }
            s->cause = "no room for a buffered response";
            return broke(s, NULL, 0);
        case RESPONSE_END:
            storing_commit(s);
            respond_let_go(s, true);
            s->reply.length = REPLY_LENGTH;
            s->reply.content_length = spool_size(s->spool_out);
            s->step = STEP_SPOOLED;
            respond_complete(s);
            return STAGE_NEXT;
        case RESPONSE_WAIT:
            return respond_wait(s, false);
        case RESPONSE_BROKE:
            return broke(s, NULL, 0);
        }
    }
}

enum stage_result respond_spooled(struct stream *s)
{
    bool broken;

    while (s->carrier->flushed(s, &broken)) {
        char *from = s->w->scratch + WORKER_SCRATCH;
        ssize_t n = spool_read(s->spool_out, s->spool_out_at, from, WORKER_SPOOL);
        if (n < 0)
            return respond_cut_short(s);
        s->spool_out_at += (uint64_t)n;
        struct iovec iov = { from, (size_t)n };
        bool end = s->spool_out_at == spool_size(s->spool_out);
        if (!respond_give(s, &iov, n ? 1 : 0, end))
            return respond_gone(s);
        if (s->step == STEP_FLUSH)
            return STAGE_NEXT;
        if (!stream_may_go_on(s, (size_t)n))
            return STAGE_WAIT;
    }
    return broken ? respond_gone(s) : STAGE_WAIT;
}
