/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests are read into the connection's buffer and parsed there; a body that does not lie behind
 * its head already passes through a window of its own, read only as far as the body is known to
 * reach, so that a pipelined request is never swallowed. Responses are serialized into the worker's
 * scratch memory and leave with the first part of the body in one call.
 */
#include "worker/h1.h"

#include "shm/assert.h"
#include "worker/base/log.h"
#include "worker/http/build.h"
#include "worker/http/date.h"
#include <errno.h>
#include <sys/socket.h>

/* H1_BESIDE: a body of so many bytes is copied behind its head: send() of one run costs the kernel
 * less than sendmsg() of two, and more than the copy. */
enum { H1_IOV = 64, H1_LINE_MAX = 8192, H1_BESIDE = 2048 };

/* --- the request's head --------------------------------------------------------------------- */

/* Too long without an end: 414 when even the request line did not end. */
static int too_long(struct stream *s, const struct conn *c)
{
    bool line_ended = memchr(c->buf + c->from, '\n', c->to - c->from) != NULL;

    s->cause = line_ended ? "request head too large" : "request line too long";
    return line_ended ? -431 : -414;
}

/* > 0: more bytes are there; 0: none now; < 0: the client ended or broke the connection. */
static int read_more(struct conn *c)
{
    ssize_t got = transport_read(&c->t, c->buf + c->to, c->cap - c->to);

    if (got > 0) {
        c->to += (uint32_t)got;
        return 1;
    }
    return got < 0 && errno == EAGAIN ? 0 : -1;
}

/* Line ends behind a request are no request (RFC 9112 section 2.2): nobody waits for an answer. */
static bool only_line_ends(const struct conn *c)
{
    for (uint32_t i = c->from; i < c->to; i++)
        if (c->buf[i] != '\r' && c->buf[i] != '\n')
            return false;
    return true;
}

static int read_head(struct stream *s)
{
    struct conn *c = s->conn;

    for (;;) {
        int n = head_request(c->buf + c->from, c->to - c->from, c->seen, &s->head);
        if (n > 0) {
            c->from += (uint32_t)n;
            c->seen = 0;
            s->bytes_in = (uint64_t)n;
            s->body_at = c->from;
            return n;
        }
        if (n < 0) {
            s->cause = head_error_text(n);
            return -head_error_status(n);
        }
        c->seen = c->to - c->from;
        if (c->seen >= c->w->conf->client_header_buffer_size)
            return too_long(s, c);
        if (c->expired) {
            s->cause = "client_header_timeout";
            return only_line_ends(c) ? -1 : -408;
        }
        int more = read_more(c);
        if (more < 0)
            return -1;
        if (more == 0) {
            if (c->wait != CONN_WAIT_HEAD)
                conn_deadline(c, CONN_WAIT_HEAD, c->w->conf->client_header_timeout);
            return 0;
        }
    }
}

/* --- the request's body --------------------------------------------------------------------- */

static bool ask_to_continue(struct stream *s)
{
    struct iovec iov = { (void *)(uintptr_t) "HTTP/1.1 100 Continue\r\n\r\n", 25 };

    s->intake.continued = true;
    return outbuf_send(&s->conn->out, &s->conn->t, &iov, 1);
}

/* The window takes the place of the buffer once that is used up; the head moves nowhere, so the old
 * buffer stays until the request ends. */
static bool take_window(struct stream *s)
{
    struct conn *c = s->conn;

    if (s->head_buffer)
        return true;
    char *window = pool_take(&c->w->windows);
    if (!window)
        return false;
    s->head_buffer = c->buf;
    s->head_buffer_cap = c->cap;
    c->buf = window;
    c->cap = (uint32_t)c->w->windows.size;
    c->from = c->to = 0;
    return true;
}

/* Nothing is there: the client's turn. */
static enum intake_result await_client(struct stream *s)
{
    struct conn *c = s->conn;
    struct intake *in = &s->intake;
    int ms = upload_wait(&in->clock, c->w->loop.now.us);

    in->late = upload_late(&in->clock, c->w->loop.now.us);
    if (in->late)
        return INTAKE_TIMEOUT;
    if (c->wait != CONN_WAIT_BODY || c->expired)
        conn_deadline(c, CONN_WAIT_BODY, ms);
    return INTAKE_WAIT;
}

void h1_readable(struct conn *c)
{
    upload_pause(&c->stream->intake.clock, c->w->loop.now.us);
    conn_deadline(c, CONN_WAIT_NONE, 0);
}

static enum intake_result fill_window(struct stream *s)
{
    struct conn *c = s->conn;
    struct intake *in = &s->intake;

    if (!in->continued && !ask_to_continue(s))
        return INTAKE_GONE;
    if (!c->t.readable)
        return await_client(s);
    if (!take_window(s))
        return INTAKE_GONE;
    size_t room = c->cap;
    if (in->framing == FRAMING_LENGTH && in->left < room)
        room = (size_t)in->left;
    ssize_t got = transport_read(&c->t, c->buf, room);
    if (got > 0) {
        c->from = 0;
        c->to = (uint32_t)got;
        s->bytes_in += (uint64_t)got;
        upload_pause(&in->clock, c->w->loop.now.us);
        upload_got(&in->clock, (uint64_t)got);
        conn_deadline(c, CONN_WAIT_NONE, 0);
        return INTAKE_RUN;
    }
    return got < 0 && errno == EAGAIN ? await_client(s) : INTAKE_GONE;
}

static enum intake_result take_run(struct intake *in, struct slice *run)
{
    in->received += run->n;
    return in->received > in->limit ? INTAKE_TOO_LARGE : INTAKE_RUN;
}

static enum intake_result read_length(struct stream *s, struct slice *run)
{
    struct conn *c = s->conn;
    struct intake *in = &s->intake;
    size_t n = c->to - c->from;

    if (n > in->left)
        n = (size_t)in->left;
    *run = slice_of(c->buf + c->from, n);
    c->from += (uint32_t)n;
    in->left -= n;
    in->done = in->left == 0;
    return take_run(in, run);
}

static enum intake_result read_chunked(struct stream *s, struct slice *run)
{
    struct conn *c = s->conn;
    struct slice raw = slice_of(c->buf + c->from, c->to - c->from);
    enum chunk_verdict verdict = chunk_next(&s->intake.chunk, &raw, run);

    c->from = (uint32_t)(raw.p - c->buf);
    switch (verdict) {
    case CHUNK_DATA:
        return take_run(&s->intake, run);
    case CHUNK_END:
        s->intake.done = true;
        return INTAKE_END;
    case CHUNK_MORE:
        return INTAKE_WAIT;
    default:
        return INTAKE_BAD;
    }
}

static enum intake_result read_body(struct stream *s, struct slice *run)
{
    struct conn *c = s->conn;
    struct intake *in = &s->intake;

    while (!in->done) {
        if (c->from < c->to) {
            enum intake_result r =
                in->framing == FRAMING_LENGTH ? read_length(s, run) : read_chunked(s, run);
            if (r != INTAKE_WAIT)
                return r;
        }
        enum intake_result r = fill_window(s);
        if (r != INTAKE_RUN)
            return r;
    }
    return INTAKE_END;
}

static bool rewind_body(struct stream *s)
{
    struct conn *c = s->conn;
    struct intake *in = &s->intake;

    if (in->received == 0)
        return true; /* nothing was handed out yet */
    if (s->head_buffer)
        return false;
    c->from = s->body_at;
    in->left = s->head.content_length;
    in->received = 0;
    in->done = false;
    chunk_init(&in->chunk, in->chunk.trailers);
    return true;
}

/* --- responses ------------------------------------------------------------------------------ */

static bool overridden(const struct extra_field *extra, struct slice name)
{
    for (; extra; extra = extra->next)
        if (!extra->beside && slice_equal_nocase(extra->name, name))
            return true;
    return false;
}

/* Framing and hop-by-hop fields are the gateway's own business on each side. */
static bool forwards(const struct field *f)
{
    return !f->drop && !(field_flags((enum field_id)f->id) & FIELD_HOP) &&
           f->id != FIELD_CONTENT_LENGTH;
}

static size_t head_space(const struct reply *r)
{
    size_t n = 512 + r->reason.n + r->lines.n + r->own.n;

    for (int i = 0; r->head && i < r->head->fields_n; i++)
        n += r->head->fields[i].name_n + r->head->fields[i].value_n + 4u;
    for (const struct extra_field *e = r->extra; e; e = e->next)
        n += e->name.n + e->value.n + 4;
    return n;
}

/* Stored lines or the gateway's own, without those that a plugin says anew or takes out. */
static char *put_lines(char *p, const struct reply *r, struct slice lines)
{
    const char *at = lines.p, *end = at + lines.n, *next;

    if (!r->extra)
        return build_slice(p, lines);
    for (; at < end; at = next) {
        const char *colon = memchr(at, ':', (size_t)(end - at));
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        must(colon && stop && colon < stop);
        next = stop + 1;
        if (!overridden(r->extra, slice_of(at, (size_t)(colon - at))))
            p = build_slice(p, slice_of(at, (size_t)(next - at)));
    }
    return p;
}

static char *put_fields(char *p, const struct reply *r)
{
    for (int i = 0; r->head && i < r->head->fields_n; i++) {
        const struct field *f = &r->head->fields[i];
        struct slice name = slice_of(f->name, f->name_n);
        if (forwards(f) && !(r->extra && overridden(r->extra, name)))
            p = build_field(p, name, slice_of(f->value, f->value_n));
    }
    p = put_lines(p, r, r->lines);
    p = put_lines(p, r, r->own);
    for (const struct extra_field *e = r->extra; e; e = e->next)
        if (e->value.p)
            p = build_field(p, e->name, e->value);
    return p;
}

static char *put_status_line(char *p, const struct reply *r)
{
    if (!r->reason.p)
        return build_status_line(p, r->status);
    p = build_slice(p, SLICE("HTTP/1.1 "));
    p = build_number(p, (uint64_t)r->status);
    *p++ = ' ';
    p = build_slice(p, r->reason);
    return build_slice(p, SLICE("\r\n"));
}

/* Decides how the body is framed for this client, and whether the connection outlives it. */
static void settle_framing(struct stream *s, const struct reply *r)
{
    struct conn *c = s->conn;

    if (s->head_at && !s->head.keep_alive)
        c->client_closes = true; /* a head that was refused says nothing about it */
    if (!s->intake.done && !s->intake.continued)
        c->closing = true; /* it waits for a 100, which cannot come any more */
    if (c->client_closes || r->close || c->w->retiring ||
        c->requests >= (uint32_t)c->w->conf->keepalive_requests)
        c->closing = true;
    s->chunked_out = false;
    if (r->length == REPLY_UNKNOWN) {
        if (s->head.minor >= 1)
            s->chunked_out = true;
        else
            c->closing = true; /* an HTTP/1.0 client sees the end by the close */
    }
}

static char *put_framing(char *p, struct stream *s, const struct reply *r)
{
    struct conn *c = s->conn;

    if (r->upgrade) {
        for (const struct field *f = head_field(r->head, FIELD_UPGRADE); f;
             f = head_next(r->head, f))
            p = build_field(p, SLICE("Upgrade"), slice_of(f->value, f->value_n));
        return build_slice(p, SLICE("Connection: Upgrade\r\n"));
    }
    if (r->length == REPLY_LENGTH || r->announce) {
        p = build_slice(p, SLICE("Content-Length: "));
        p = build_number(p, r->content_length);
        p = build_slice(p, SLICE("\r\n"));
    }
    if (s->chunked_out)
        p = build_slice(p, SLICE("Transfer-Encoding: chunked\r\n"));
    if (c->closing)
        p = build_slice(p, SLICE("Connection: close\r\n"));
    else if (s->head.minor == 0)
        p = build_slice(p, SLICE("Connection: keep-alive\r\n"));
    return p;
}

/* The whole head in scratch memory; n 0: it does not fit. */
static struct slice put_head(struct stream *s, const struct reply *r)
{
    char *start = s->w->scratch, *p = start;

    if (head_space(r) > WORKER_SCRATCH)
        return (struct slice){ NULL, 0 };
    p = put_status_line(p, r);
    p = put_fields(p, r);
    p = put_framing(p, s, r);
    p = build_slice(p, SLICE("\r\n"));
    return slice_of(start, (size_t)(p - start));
}

static bool send_interim(struct stream *s, const struct reply *reply)
{
    char *start = s->w->scratch, *p = start;

    if (s->head.minor == 0 || head_space(reply) > WORKER_SCRATCH)
        return true;
    p = put_status_line(p, reply);
    p = put_fields(p, reply);
    p = build_slice(p, SLICE("\r\n"));
    struct iovec iov = { start, (size_t)(p - start) };
    s->bytes_out += iov.iov_len;
    return outbuf_send(&s->conn->out, &s->conn->t, &iov, 1);
}

static size_t total_of(const struct iovec *iov, int n)
{
    size_t total = 0;

    for (int i = 0; i < n; i++)
        total += iov[i].iov_len;
    return total;
}

/* What comes first of a body goes behind its head in the scratch memory; false: it is not small. */
static bool join(struct iovec *head, const struct iovec *body)
{
    char *end = (char *)head->iov_base + head->iov_len;

    if (body->iov_len > H1_BESIDE || head->iov_len > WORKER_SCRATCH - H1_BESIDE)
        return false;
    (void)build_slice(end, slice_of(body->iov_base, body->iov_len));
    head->iov_len += body->iov_len;
    return true;
}

static bool send_response(struct stream *s, const struct reply *reply, struct iovec *body, int n,
                          bool end)
{
    struct iovec iov[H1_IOV + 4];
    char size[24], *p = size;
    int k = 0;
    size_t payload = total_of(body, n);

    must(n <= H1_IOV);
    if (reply) {
        settle_framing(s, reply);
        struct slice head = put_head(s, reply);
        if (!head.p)
            return false;
        iov[k++] = (struct iovec){ (void *)(uintptr_t)head.p, head.n };
    }
    bool chunk = s->chunked_out && payload > 0;
    if (chunk) {
        p = build_hex(p, payload);
        p = build_slice(p, SLICE("\r\n"));
        iov[k++] = (struct iovec){ size, (size_t)(p - size) };
    }
    int first = reply && k == 1 && n > 0 && join(&iov[0], &body[0]) ? 1 : 0;
    for (int i = first; i < n; i++)
        iov[k++] = body[i];
    if (chunk)
        iov[k++] = (struct iovec){ (void *)(uintptr_t) "\r\n", 2 };
    struct slice last = SLICE("0\r\n\r\n");
    if (end && s->chunked_out) {
        if (s->trailers_out.n)
            last =
                arena_print(&s->arena, "0\r\n%.*s\r\n", (int)s->trailers_out.n, s->trailers_out.p);
        if (!last.p)
            last = SLICE("0\r\n\r\n"); /* no memory: better no trailers than no end */
        iov[k++] = (struct iovec){ (void *)(uintptr_t)last.p, last.n };
    }
    s->bytes_out += total_of(iov, k);
    return outbuf_send(&s->conn->out, &s->conn->t, iov, k);
}

static bool flushed(struct stream *s, bool *gone)
{
    struct conn *c = s->conn;

    *gone = false;
    if (outbuf_empty(&c->out))
        return true;
    size_t before = c->out.to - c->out.from;
    if (!outbuf_flush(&c->out, &c->t) || (c->expired && c->wait == CONN_WAIT_WRITE)) {
        *gone = true;
        return false;
    }
    if (outbuf_empty(&c->out)) {
        if (c->wait == CONN_WAIT_WRITE)
            conn_deadline(c, CONN_WAIT_NONE, 0);
        return true;
    }
    if (c->wait != CONN_WAIT_WRITE || c->out.to - c->out.from < before)
        conn_deadline(c, CONN_WAIT_WRITE, c->w->conf->client_body.timeout);
    return false;
}

/* A FIN behind everything that was read: nobody waits for the answer. */
static bool abandoned(struct stream *s)
{
    struct conn *c = s->conn;
    char byte;

    if (!c->t.hangup || c->from < c->to)
        return false;
    if (c->t.tls) /* what is left to read there is its close_notify */
        return true;
    ssize_t n = recv(c->t.io.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
}

static void wake(struct stream *s)
{
    conn_drive(s->conn);
}

static bool may_go_on(struct stream *s, size_t moved)
{
    return conn_may_go_on(s->conn, moved);
}

static const struct carrier h1_carrier = {
    .read_head = read_head,
    .read_body = read_body,
    .rewind_body = rewind_body,
    .send_interim = send_interim,
    .send = send_response,
    .flushed = flushed,
    .abandoned = abandoned,
    .wake = wake,
    .may_go_on = may_go_on,
};

/* --- life ----------------------------------------------------------------------------------- */

struct stream *h1_begin(struct conn *c)
{
    c->requests++;
    return stream_begin(c->w, c, &h1_carrier);
}

void h1_end(struct conn *c)
{
    conn_deadline(c, CONN_WAIT_NONE, 0);
    c->seen = 0;
}

void h1_refuse_plain(struct conn *c)
{
    static const char text[] =
        "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json; charset=utf-8\r\n"
        "Connection: close\r\n\r\n"
        "{\"message\":\"The plain HTTP request was sent to HTTPS port\"}";

    if (send(c->t.io.fd, text, sizeof text - 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        log_write(LOG_LEVEL_DEBUG, "the client of a TLS port was gone");
}
