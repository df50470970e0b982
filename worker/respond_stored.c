/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bodies out of shared memory: an object that is complete, one that is still being filled and is
 * read along, and a fill of the stream's own that goes on before its client.
 */
#include "worker/body/response_body.h"
#include "worker/caching/ahead.h"
#include "worker/caching/collapsing.h"
#include "worker/caching/resuming.h"
#include "worker/caching/serving.h"
#include "worker/respond.h"
#include "worker/upstream/upstream.h"

enum { PIECE = 128 * 1024, CACHE_IOV = 60 };

enum stage_result respond_cached(struct stream *s)
{
    struct iovec iov[CACHE_IOV];
    bool broken;

    while (s->step == STEP_CACHED) {
        if (!s->carrier->flushed(s, &broken)) {
            if (broken)
                return respond_gone(s);
            return STAGE_WAIT;
        }
        uint64_t before = s->body_sent;
        int n = serving_next(s, iov, CACHE_IOV, PIECE);
        bool end = serving_done(s);
        if (!respond_give(s, iov, n, end))
            return respond_gone(s);
        if (s->step == STEP_FLUSH)
            break;
        if (!cache_keep(s->cache, &s->hit)) {
            s->hit.entry = NULL;
            s->cause = "no room for a pin";
            return respond_cut_short(s);
        }
        if (!stream_may_go_on(s, (size_t)(s->body_sent - before)))
            return STAGE_WAIT;
    }
    cache_unpin(s->cache, &s->hit);
    s->hit.entry = NULL;
    return STAGE_NEXT;
}

enum stage_result respond_joined(struct stream *s)
{
    struct iovec iov[CACHE_IOV];
    bool broken, end = false;

    while (s->step == STEP_JOINED) {
        if (s->head_sent && !s->carrier->flushed(s, &broken))
            return broken ? respond_gone(s) : STAGE_WAIT;
        uint64_t before = s->cached_at;
        int n = collapsing_next(s, iov, CACHE_IOV, PIECE, &end);
        if (n < 0) {
            s->cause = "the fill that was read along ended early";
            return resuming_begin(s) ? STAGE_RETRY : respond_cut_short(s);
        }
        resuming_note(s, iov, n);
        if (n == 0 && !end && s->head_sent) {
            if (s->carrier->abandoned(s) || !respond_push(s))
                return respond_gone(s);
            if (collapsing_sleep(s))
                return STAGE_WAIT;
            continue;
        }
        if (!respond_give(s, iov, n, end))
            return respond_gone(s);
        if (s->step == STEP_JOINED && !stream_may_go_on(s, (size_t)(s->cached_at - before)))
            return STAGE_WAIT;
    }
    cache_unpin(s->cache, &s->hit);
    s->hit.entry = NULL;
    return STAGE_NEXT;
}

enum stage_result respond_resumed(struct stream *s)
{
    struct slice run;
    size_t skipped;

    while (!resuming_done(s)) {
        switch (resuming_next(s, &run, &skipped)) {
        case RESPONSE_RUN:
            break;
        case RESPONSE_WAIT:
            return respond_wait(s, false);
        default:
            s->cause = "what was read along is not what comes now";
            return resuming_failed(s);
        }
        struct iovec iov = { (void *)(uintptr_t)run.p, run.n };
        if (run.n > 0 && !respond_give(s, &iov, 1, false))
            return respond_gone(s);
        if (!resuming_done(s) && !stream_may_go_on(s, skipped))
            return respond_wait(s, false);
    }
    if (s->step == STEP_RESUME)
        s->step = STEP_STREAM;
    return STAGE_NEXT;
}

/* The client takes more: from shared memory, then what did not fit in there; then it has caught up.
 */
static enum stage_result catch_up(struct stream *s)
{
    struct iovec iov[CACHE_IOV];
    uint64_t before = s->body_sent;
    struct slice held = ahead_held(s);

    if (ahead_behind(s) > 0 || !s->up) {
        int n = ahead_next(s, iov, CACHE_IOV, PIECE);
        bool end = !s->up && ahead_behind(s) == 0;
        if (!respond_give(s, iov, n, end))
            return respond_left(s);
        if (s->step == STEP_FLUSH)
            ahead_end(s);
        else if (!stream_may_go_on(s, (size_t)(s->body_sent - before)))
            return s->up ? respond_wait(s, s->fill == NULL) : STAGE_WAIT;
        return STAGE_NEXT;
    }
    ahead_end(s);
    s->step = STEP_STREAM;
    iov[0] = (struct iovec){ (void *)(uintptr_t)held.p, held.n };
    return held.n == 0 || respond_give(s, iov, 1, false) ? STAGE_NEXT : respond_left(s);
}

enum stage_result respond_ahead(struct stream *s)
{
    bool broken;

    if (s->carrier->flushed(s, &broken))
        return catch_up(s);
    if (broken)
        return respond_left(s);
    if (!s->up)
        return STAGE_WAIT;
    if (!s->fill)
        return respond_wait(s, true);
    switch (ahead_pull(s)) {
    case RESPONSE_RUN:
        return stream_may_go_on(s, PIECE) ? STAGE_NEXT : respond_wait(s, false);
    case RESPONSE_END:
        respond_let_go(s, true);
        return STAGE_NEXT;
    case RESPONSE_WAIT:
        return respond_wait(s, false);
    default:
        stats_add(&s->w->stats->upstream_failures, 1);
        return respond_cut_short(s);
    }
}
