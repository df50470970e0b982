/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http: one request, one strictly parsed response (RFC 9112). The status decides, once the response
 * has come to its end: a target that answers half is not healthy. Of a body that is longer than 64
 * KiB, or that only the end of the connection delimits, no more is read, and the connection is
 * given up.
 */
#include "worker/checker/probe_http.h"
#include "worker/base/checks.h"
#include "worker/http/build.h"
#include <errno.h>
#include <stdlib.h>

/* --- the request ---------------------------------------------------------------------------- */

static size_t request_space(const struct probe_subject *s)
{
    const struct conf_route_header *headers = s->active->headers.v;
    size_t n = 128 + s->active->http_method.n + s->active->http_path.n + s->host.n;

    for (size_t i = 0; i < s->active->headers.n; i++)
        for (size_t k = 0; k < headers[i].values.n; k++)
            n += headers[i].name.n + headers[i].values.v[k].n + 4;
    return n;
}

static struct slice text(struct conf_text t)
{
    return slice_of(t.s, t.n);
}

static bool names(const struct conf_active *active, struct slice name)
{
    const struct conf_route_header *headers = active->headers.v;

    for (size_t i = 0; i < active->headers.n; i++)
        if (slice_equal_nocase(text(headers[i].name), name))
            return true;
    return false;
}

static char *put_headers(char *to, const struct conf_active *active)
{
    const struct conf_route_header *headers = active->headers.v;

    for (size_t i = 0; i < active->headers.n; i++)
        for (size_t k = 0; k < headers[i].values.n; k++)
            to = build_field(to, text(headers[i].name), text(headers[i].values.v[k]));
    return to;
}

/* In the room's memory; absent: there is none. */
static struct slice request(struct probe *p)
{
    const struct probe_subject *s = &p->subject;
    const struct conf_active *active = s->active;
    size_t space = request_space(s);

    if (p->room->request_cap < space) {
        char *larger = realloc(p->room->request, space);
        if (!larger)
            return (struct slice){ NULL, 0 };
        p->room->request = larger;
        p->room->request_cap = space;
    }
    char *to = p->room->request;
    to = build_slice(to, text(active->http_method));
    *to++ = ' ';
    to = build_slice(to, text(active->http_path));
    to = build_slice(to, SLICE(" HTTP/1.1\r\n"));
    if (!names(active, SLICE("host")))
        to = build_field(to, SLICE("Host"), text(s->host));
    if (!names(active, SLICE("user-agent")))
        to = build_slice(to, SLICE("User-Agent: gateway-health/" GATEWAY_VERSION "\r\n"));
    to = put_headers(to, active);
    if (!s->keep)
        to = build_slice(to, SLICE("Connection: close\r\n"));
    to = build_slice(to, SLICE("\r\n"));
    return slice_of(p->room->request, (size_t)(to - p->room->request));
}

/* AGAIN: all of it is out, or the rest waits. */
static enum probe_turn say(struct probe *p, struct health_seen *seen)
{
    struct slice all = request(p);

    if (!all.p)
        return PROBE_UNABLE;
    struct iovec iov = { (char *)(uintptr_t)all.p + p->sent_n, all.n - p->sent_n };
    ssize_t n = transport_write(&p->t, &iov, 1);
    if (n < 0)
        return probe_broke(p, seen, errno);
    p->sent_n += (uint32_t)n;
    p->sent = p->sent_n == all.n;
    return PROBE_AGAIN;
}

/* --- the response --------------------------------------------------------------------------- */

static enum probe_turn judge(struct probe *p, struct health_seen *seen, bool whole)
{
    const struct conf_active *active = p->subject.active;

    p->parted = whole && !p->keep_alive && p->from == p->to;
    seen->status = p->status;
    seen->event = checks_status(&active->healthy, &active->unhealthy, p->status);
    seen->cause = seen->event == VERDICT_SUCCESS ? HEALTH_CAUSE_OK : HEALTH_CAUSE_STATUS;
    return whole && p->keep_alive && p->from == p->to ? PROBE_KEEP : PROBE_CLOSE;
}

static enum probe_turn begin_body(struct probe *p, struct health_seen *seen, const struct head *h)
{
    p->body = true;
    p->body_n = 0;
    p->status = (uint16_t)h->status;
    p->framing = (uint8_t)h->framing;
    p->keep_alive = h->keep_alive;
    p->left = h->content_length;
    chunk_init(&p->chunk, NULL);
    if (p->kind->head)
        p->kind->head(p, h);
    if (p->kind->data ? h->status != 200 : h->framing == FRAMING_CLOSE)
        return judge(p, seen, false);
    if (h->framing == FRAMING_NONE)
        return judge(p, seen, true);
    return PROBE_AGAIN;
}

/* Interim responses are skipped; a change of protocol was not asked for. */
static enum probe_turn read_head(struct probe *p, struct health_seen *seen)
{
    struct head *h = p->room->head;
    const struct conf_text *method = &p->subject.active->http_method;

    while (!p->body && p->from < p->to) {
        int n = head_response(p->buf + p->from, p->to - p->from, p->looked,
                              head_method(method->s, method->n), h);
        if (n == 0) {
            p->looked = p->to - p->from;
            if (p->looked == PROBE_BUFFER)
                return probe_fail(seen, HEALTH_CAUSE_MALFORMED, "response head too large");
            return PROBE_AGAIN;
        }
        if (n < 0)
            return probe_fail(seen, HEALTH_CAUSE_MALFORMED, head_error_text(n));
        p->from += (uint32_t)n;
        p->looked = 0;
        if (h->status == 101)
            return probe_fail(seen, HEALTH_CAUSE_MALFORMED, "unasked protocol switch");
        if (h->status >= 200)
            return begin_body(p, seen, h);
    }
    return PROBE_AGAIN;
}

/* NULL, or why no more is wanted. */
static const char *take_run(struct probe *p, struct slice run)
{
    p->body_n += run.n;
    return p->kind->data && run.n ? p->kind->data(p, run) : NULL;
}

/* A body of which the length is known, or which the end of the connection ends. */
static enum probe_turn read_plain(struct probe *p, struct health_seen *seen)
{
    bool counted = p->framing == FRAMING_LENGTH;
    uint64_t here = p->to - p->from;

    if (counted && here > p->left)
        here = p->left;
    const char *why = take_run(p, slice_of(p->buf + p->from, (size_t)here));
    p->from += (uint32_t)here;
    p->left -= counted ? here : 0;
    if (why)
        return probe_fail(seen, HEALTH_CAUSE_MALFORMED, why);
    return counted && p->left == 0 ? judge(p, seen, true) : PROBE_AGAIN;
}

static enum probe_turn read_chunks(struct probe *p, struct health_seen *seen)
{
    struct slice in = slice_of(p->buf + p->from, p->to - p->from), run;
    enum chunk_verdict verdict;

    while ((verdict = chunk_next(&p->chunk, &in, &run)) == CHUNK_DATA) {
        const char *why = take_run(p, run);
        if (why)
            return probe_fail(seen, HEALTH_CAUSE_MALFORMED, why);
    }
    p->from = p->to - (uint32_t)in.n;
    if (verdict == CHUNK_BAD)
        return probe_fail(seen, HEALTH_CAUSE_MALFORMED, "malformed chunk");
    return verdict == CHUNK_END ? judge(p, seen, true) : PROBE_AGAIN;
}

static enum probe_turn read_body(struct probe *p, struct health_seen *seen)
{
    enum probe_turn turn;

    turn = p->framing == FRAMING_CHUNKED ? read_chunks(p, seen) : read_plain(p, seen);
    if (turn == PROBE_AGAIN && p->body_n > PROBE_BODY_MAX && !p->kind->data)
        turn = judge(p, seen, false);
    return turn;
}

static enum probe_turn take(struct probe *p, struct health_seen *seen)
{
    enum probe_turn turn = p->body ? PROBE_AGAIN : read_head(p, seen);

    if (turn == PROBE_AGAIN && p->body)
        turn = read_body(p, seen);
    if (p->from == p->to)
        p->from = p->to = 0;
    return turn;
}

static enum probe_turn ended(struct probe *p, struct health_seen *seen, ssize_t got)
{
    int why = errno;

    if (got < 0 && why != ECONNABORTED)
        return probe_broke(p, seen, why);
    if (got == 0 && p->body && p->framing == FRAMING_CLOSE)
        return judge(p, seen, false);
    if (p->heard)
        return probe_fail(seen, HEALTH_CAUSE_CUT,
                          p->body ? "closed inside the body" : "closed inside the head");
    return probe_fail(seen, HEALTH_CAUSE_CLOSED, NULL);
}

/* Room at the end of the buffer; its begin is used up by heads before. */
static bool make_room(struct probe *p)
{
    if (!p->buf && !(p->buf = pool_take(&p->room->buffers)))
        return false;
    if (p->to < PROBE_BUFFER)
        return true;
    memmove(p->buf, p->buf + p->from, p->to - p->from);
    p->to -= p->from;
    p->from = 0;
    return true;
}

/* A target that talks faster than anybody reads would hold up all others: interim responses without
 * an end, chunks that are mostly extensions. */
static enum probe_turn too_much(struct probe *p, struct health_seen *seen)
{
    if (p->body && !p->kind->data)
        return judge(p, seen, false);
    return probe_fail(seen, HEALTH_CAUSE_MALFORMED,
                      p->body ? "more framing than content" : "too many interim responses");
}

static enum probe_turn hear(struct probe *p, struct health_seen *seen)
{
    for (;;) {
        if (!make_room(p))
            return PROBE_UNABLE;
        ssize_t got = transport_read(&p->t, p->buf + p->to, PROBE_BUFFER - p->to);
        if (got < 0 && errno == EAGAIN)
            return PROBE_AGAIN;
        if (got <= 0)
            return ended(p, seen, got);
        p->heard = true;
        p->to += (uint32_t)got;
        p->taken += (uint64_t)got;
        enum probe_turn turn = take(p, seen);
        if (turn == PROBE_AGAIN && p->taken > PROBE_TAKEN_MAX)
            turn = too_much(p, seen);
        if (turn != PROBE_AGAIN)
            return turn;
    }
}

enum probe_turn probe_http_step(struct probe *p, struct health_seen *seen)
{
    if (!p->sent) {
        enum probe_turn turn = say(p, seen);
        if (turn != PROBE_AGAIN)
            return turn;
    }
    return p->t.readable ? hear(p, seen) : PROBE_AGAIN;
}

const struct probe_kind probe_http_kind = { .name = "http",
                                            .speaks = true,
                                            .step = probe_http_step };
