/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The exchange with a peer up to its response's head: a connection (reused or new), the request's
 * head and body as it arrives, interim responses. A failure is sent again to another peer only when
 * that is safe: nothing of a response came, the method is idempotent or nothing was sent, and the
 * body can be had again.
 */
#include "shm/assert.h"
#include "worker/balance/latency.h"
#include "worker/base/log.h"
#include "worker/body/request_body.h"
#include "worker/caching/detached.h"
#include "worker/conn.h"
#include "worker/upstream/ageing.h"
#include "worker/upstream/passive.h"
#include "worker/upstream/placing.h"
#include "worker/upstream/upstream.h"
#include <errno.h>

enum { INTERIMS_MAX = 64 * 1024 };

enum step { STEP_COLLECT, STEP_CONNECT, STEP_HANDSHAKE, STEP_SEND, STEP_HEAD };

static bool idempotent(enum head_method m)
{
    return m == METHOD_GET || m == METHOD_HEAD || m == METHOD_PUT || m == METHOD_DELETE ||
           m == METHOD_OPTIONS;
}

/* For want of something of our own, which says nothing about the peer. */
static const char no_descriptor[] = "no descriptor left";
static const char no_memory[] = "no memory for a connection";
static const char no_port[] = "no local port left";

/* What the peer's record is told. `kind`: what sort of failure `cause` is; OTHER: what it says. */
static void tell_failure(struct stream *s, bool timeout, enum health_cause kind, const char *cause)
{
    const struct upconn *u = s->up;

    if (cause == no_descriptor || cause == no_memory || cause == no_port)
        return;
    if (kind == HEALTH_CAUSE_OTHER)
        passive_failed(s, timeout, cause, u && u->t.tls ? tls_error(u->t.tls) : NULL);
    else
        passive_failed(s, timeout, health_cause_text(kind), cause);
    latency_failed(s->peer, s->w->loop.now.us - s->up_began, s->w->loop.now.ms);
}

/* The method that the peer is asked with. */
static enum head_method method_of(const struct stream *s)
{
    return s->request.method_text.p ? s->request.method : s->head.method;
}

/* The peer failed: another try, or an answer of our own. */
static enum stage_result failed_as(struct stream *s, int status, enum health_cause kind,
                                   const char *cause)
{
    struct upconn *u = s->up;
    bool sent = u && u->sent, heard = u && u->heard;
    bool stale = u && u->reused && !heard && !u->expired && !s->retried_free;

    s->cause = cause;
    stats_add(&s->w->stats->upstream_failures, 1);
    s->peer->failures++;
    log_rarely(stale ? LOG_LEVEL_DEBUG : LOG_LEVEL_WARN, "upstream %s: %s%s%s", s->peer->text.s,
               cause, u && u->t.tls ? ": " : "", u && u->t.tls ? tls_error(u->t.tls) : "");
    if (!stale)
        tell_failure(s, status == 504, kind, cause);
    bool again = s->own || idempotent(method_of(s));
    bool safe = !heard && (!sent || again) && request_body_rewind(s);
    s->same_peer = safe && stale; /* the connection was old, the peer may well be fine */
    if (s->up)
        upstream_drop(&s->up);
    if (s->same_peer) {
        s->retried_free = true;
        s->tries--;
        return STAGE_RETRY;
    }
    /* what no peer has seen is load for none: it needs no budget */
    if (safe && s->tries <= s->service->retries && (!sent || placing_retry(s))) {
        stats_add(&s->w->stats->upstream_retries, 1);
        return STAGE_RETRY;
    }
    if (status == 504)
        return stream_answer(s, 504, "The upstream server is timing out");
    return stream_answer(s, 502, "An invalid response was received from the upstream server");
}

static enum stage_result failed(struct stream *s, int status, const char *cause)
{
    return failed_as(s, status, HEALTH_CAUSE_OTHER, cause);
}

/* It said something that is no answer. */
static enum stage_result malformed(struct stream *s, const char *cause)
{
    return failed_as(s, 502, HEALTH_CAUSE_MALFORMED, cause);
}

static const char *connect_cause(int error)
{
    switch (error) {
    case ECONNREFUSED:
        return "connection refused";
    case ENETUNREACH:
    case EHOSTUNREACH:
        return "no route to host";
    case EMFILE:
    case ENFILE:
        return no_descriptor;
    case ENOMEM:
    case ENOBUFS:
        return no_memory;
    case EADDRNOTAVAIL:
        return no_port;
    default:
        return strerror(error);
    }
}

/* request_buffering, or a plugin that changes the body: all of it first. */
static enum stage_result collect(struct stream *s)
{
    bool whole = s->route->request_buffering || s->body_edit;

    if (s->starved)
        return stream_answer(s, 500, "An unexpected error occurred");
    if (whole && !s->intake.done && !s->spool_in) {
        s->spool_in = spool_make(s->w->conf->prefix.s);
        if (!s->spool_in)
            return stream_answer(s, 500, "An unexpected error occurred");
    }
    if (s->spool_in && !s->intake.done) {
        enum stage_result r = request_body_collect(s);
        if (r != STAGE_NEXT)
            return r;
        if (!s->trial && !fitness_may_use(s->peer, 0)) /* found dead while the body came */
            return STAGE_RETRY;
    }
    enum edit_result edited = s->body_edit ? request_body_edit(s) : EDIT_SAME;
    if (edited == EDIT_REFUSED)
        return stream_answer(s, 400, "Bad request");
    if (edited == EDIT_NO_MEMORY) {
        s->cause = "no room for a body that is changed";
        return stream_answer(s, 500, "An unexpected error occurred");
    }
    s->step = STEP_CONNECT;
    return STAGE_NEXT;
}

static enum stage_result connect_peer(struct stream *s)
{
    s->up_began = s->w->loop.now.us;
    s->tries++;
    s->up = s->retried_free ? NULL : upstream_reuse(s, !idempotent(method_of(s)));
    if (s->up) {
        s->up->connected = true;
        s->step = STEP_SEND;
        return STAGE_NEXT;
    }
    s->up = upstream_connect(s);
    if (!s->up)
        return failed(s, 502, connect_cause(errno));
    upstream_deadline(s->up, s->service->connect_timeout);
    s->step = s->up->t.tls ? STEP_HANDSHAKE : STEP_SEND;
    return STAGE_NEXT;
}

/* Its peer went down before the connection stood: nobody waits for what will hardly come. It was no
 * try. */
static bool given_up(struct stream *s)
{
    if (!s->up->hopeless || s->up->sent || !request_body_rewind(s))
        return false;
    upstream_drop(&s->up);
    s->tries--;
    return true;
}

static enum stage_result handshake(struct stream *s)
{
    struct upconn *u = s->up;

    switch (tls_handshake(u->t.tls)) {
    case TLS_DONE:
        u->t.handshaking = false;
        u->t.readable = u->t.hangup || tls_pending(u->t.tls);
        s->step = STEP_SEND;
        return STAGE_NEXT;
    case TLS_AGAIN:
        if (u->expired)
            return failed(s, 504, "TLS handshake timed out");
        if (given_up(s))
            return STAGE_RETRY;
        upstream_watch(u);
        return STAGE_WAIT;
    default:
        return failed(s, 502, "TLS handshake failed");
    }
}

/* The body on its way, and what its end means. */
static enum stage_result pump_request(struct stream *s, struct slice head)
{
    switch (request_body_pump(s, head)) {
    case BODY_GOING:
    case BODY_SENT:
        return STAGE_NEXT;
    case BODY_MALFORMED:
        s->cause = "malformed request body";
        upstream_drop(&s->up);
        stream_answer(s, 400, "Bad request");
        break;
    case BODY_TOO_LARGE:
        s->cause = s->intake.refusal ? s->intake.refusal : "request_body_max_size";
        upstream_drop(&s->up);
        stream_answer(s, 413, s->intake.refusal ? s->intake.refusal : "Payload too large");
        break;
    case BODY_TIMEOUT:
        s->cause = s->intake.late;
        stats_add(&s->w->stats->timeouts, 1);
        upstream_drop(&s->up);
        stream_answer(s, 408, "Request timeout");
        break;
    case BODY_REFUSED:
        upstream_drop(&s->up); /* it has not all of the request, and must not take it for all */
        request_body_refuse(s);
        return STAGE_DONE;
    case BODY_CLIENT_GONE:
        s->cause = "client closed the connection";
        return STAGE_FAIL;
    case BODY_NO_MEMORY:
        return stream_answer(s, 500, "An unexpected error occurred");
    case BODY_UPSTREAM_BROKE:
        if (!s->up->sent)
            return failed(s, 502, connect_cause(errno));
        s->up->write_broken = true; /* it may have answered before it closed */
        s->up->t.readable = true;
        return STAGE_NEXT;
    }
    s->reply.close = true;
    return STAGE_DONE;
}

static enum stage_result send_head(struct stream *s)
{
    struct slice head = request_body_head(s);

    if (!head.p) {
        s->cause = "request head does not fit";
        return stream_answer(s, 431, "Request header or cookie too large");
    }
    s->step = STEP_HEAD;
    s->request_sent = false;
    return pump_request(s, head);
}

/* Deadlines of the exchange: connecting, sending, waiting for the answer. */
static void watch_over(struct stream *s)
{
    struct upconn *u = s->up;
    uint64_t progress =
        1 + s->intake.received + s->spool_in_at + u->to + (u->out.cap - u->out.to) + u->out.from;

    if (!u->connected) { /* connect_timeout is running */
        upstream_watch(u);
        return;
    }
    if (u->progress == progress)
        return; /* nothing moved: what else the client says buys no time */
    u->progress = progress;
    if (!outbuf_empty(&u->out) && !u->write_broken)
        upstream_deadline(u, s->service->write_timeout);
    else if (s->intake.done || u->write_broken)
        upstream_deadline(u, s->service->read_timeout);
    else
        upstream_deadline(u, 0); /* the client's turn: its own clock runs */
}

/* 1xx: 100 is the gateway's own business, others are passed on. True: a final head may follow in
 * the buffer. */
static bool pass_interim(struct stream *s, const struct head *h)
{
    struct reply reply = {
        .status = h->status, .reason = h->reason, .head = h, .length = REPLY_NO_BODY
    };

    if (h->status == 100)
        return true;
    return s->carrier->send_interim(s, &reply);
}

/* Parses what has come. NEXT: a final head is in w->reply_head; WAIT: more has to come. */
static enum stage_result parse(struct stream *s)
{
    struct upconn *u = s->up;
    struct head *h = s->w->reply_head;

    while (u->from < u->to) {
        int n = head_response(u->buf + u->from, u->to - u->from, u->seen, method_of(s), h);
        if (n == 0) {
            u->seen = u->to - u->from;
            return STAGE_WAIT;
        }
        if (n < 0)
            return malformed(s, head_error_text(n));
        u->from += (uint32_t)n;
        u->seen = 0;
        if (h->status == 101 && !(s->head.upgrade && h->upgrade))
            return malformed(s, "unasked protocol switch");
        if (h->status == 101 && !(s->request_sent && outbuf_empty(&u->out)))
            return malformed(s, "protocol switch inside the request");
        if (h->status == 101)
            return STAGE_NEXT;
        if (h->status >= 200)
            return STAGE_NEXT;
        s->interims += (uint32_t)n; /* they are kept for a client that is slow */
        if (s->interims > INTERIMS_MAX)
            return malformed(s, "too many interim responses");
        if (!pass_interim(s, h))
            return STAGE_FAIL;
    }
    return STAGE_WAIT;
}

static enum stage_result ended_early(struct stream *s, ssize_t got)
{
    int why = errno;

    if ((got == 0 || why == ECONNABORTED) && s->up->to > s->up->from)
        return failed_as(s, 502, HEALTH_CAUSE_CUT, "connection closed inside the response head");
    if (got == 0 || why == ECONNABORTED)
        return failed(s, 502, "connection closed without a response");
    if (why == ENOBUFS)
        return malformed(s, "response head too large");
    if (!s->up->connected || why == ENOMEM)
        return failed(s, 502, connect_cause(why));
    return failed(s, 502, why == ECONNRESET ? "connection reset" : strerror(why));
}

static enum stage_result read_head(struct stream *s)
{
    struct upconn *u = s->up;

    for (;;) {
        enum stage_result r = parse(s);
        if (r != STAGE_WAIT)
            return r;
        ssize_t got = upstream_read(u);
        if (got > 0) {
            u->connected = u->heard = true;
            continue;
        }
        if (got < 0 && errno == EAGAIN) {
            if (u->write_broken && u->t.hangup)
                return failed(s, 502, "connection closed");
            break;
        }
        return ended_early(s, got);
    }
    if (u->expired)
        return failed(s, 504,
                      !u->connected           ? "connect timed out"
                      : outbuf_empty(&u->out) ? "no response in time"
                                              : "request not taken in time");
    if (given_up(s))
        return STAGE_RETRY;
    if (s->carrier->abandoned(s) && !detached_begin(s)) {
        s->cause = "client closed the connection";
        return STAGE_FAIL;
    }
    watch_over(s);
    return STAGE_WAIT;
}

static enum stage_result exchange(struct stream *s)
{
    struct upconn *u = s->up;

    if (!u->write_broken && (!s->request_sent || !outbuf_empty(&u->out))) {
        enum stage_result r = pump_request(s, (struct slice){ NULL, 0 });
        if (r != STAGE_NEXT)
            return r;
    }
    if (!u->t.readable && u->from == u->to && u->connected && !u->expired && !s->conn->t.hangup) {
        watch_over(s);
        return STAGE_WAIT;
    }
    enum stage_result r = read_head(s);
    if (r != STAGE_NEXT)
        return r;
    s->up_head = s->w->loop.now.us;
    latency_answered(s->peer, s->up_head - s->up_began, s->w->loop.now.ms);
    passive_head(s, s->w->reply_head->status);
    const struct field *kept = head_field(s->w->reply_head, FIELD_KEEP_ALIVE);
    if (kept)
        ageing_said(&s->peer->ageing, slice_of(kept->value, kept->value_n));
    upstream_deadline(u, 0);
    s->answer = ANSWER_UPSTREAM;
    return STAGE_NEXT;
}

enum stage_result stage_upstream(struct stream *s)
{
    static enum stage_result (*const steps[])(struct stream *) = {
        [STEP_COLLECT] = collect, [STEP_CONNECT] = connect_peer, [STEP_HANDSHAKE] = handshake,
        [STEP_SEND] = send_head,  [STEP_HEAD] = exchange,
    };

    for (;;) {
        uint16_t step = s->step;
        enum stage_result r = steps[step](s);
        if (r != STAGE_NEXT || step == STEP_HEAD)
            return r;
    }
}
