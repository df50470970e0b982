/* SPDX-License-Identifier: Apache-2.0 */
/* See request_body.h. Runs of payload go from where they lie to the socket in one call, chunk
 * framing included. */
#include "worker/body/request_body.h"

#include "worker/conn.h"
#include "worker/http/build.h"
#include "worker/upstream/upstream.h"
#include <errno.h>
#include <stdlib.h>

struct slice request_body_head(struct stream *s)
{
    if (s->spool_in)
        return upstream_head(s, false, true, spool_size(s->spool_in));
    return upstream_head(s, s->intake.framing == FRAMING_CHUNKED,
                         s->intake.framing == FRAMING_LENGTH, s->head.content_length);
}

static enum body_state state_of(enum intake_result r)
{
    switch (r) {
    case INTAKE_BAD:
        return BODY_MALFORMED;
    case INTAKE_TOO_LARGE:
        return BODY_TOO_LARGE;
    case INTAKE_TIMEOUT:
        return BODY_TIMEOUT;
    case INTAKE_GONE:
        return BODY_CLIENT_GONE;
    case INTAKE_REFUSED:
        return BODY_REFUSED;
    default:
        return BODY_GOING;
    }
}

/* What comes from the client. A plugin that watches sees each run before it is handed out: of a
 * body that it refuses at its end, the last run stays here, or of a chunked one the last chunk. */
static enum intake_result read_on(struct stream *s, struct slice *run)
{
    enum intake_result r = s->carrier->read_body(s, run);
    struct body_watch *w = s->body_watch;

    if (!w || s->body_passed || (r != INTAKE_RUN && r != INTAKE_END))
        return r;
    if (r == INTAKE_RUN && !w->take(w, *run))
        return INTAKE_REFUSED;
    s->body_passed = s->intake.done && w->end(w);
    return s->intake.done && !s->body_passed ? INTAKE_REFUSED : r;
}

void request_body_refuse(struct stream *s)
{
    s->cause = "a plugin refused the request's body";
    s->body_watch->refuse(s, s->body_watch);
}

enum stage_result request_body_collect(struct stream *s)
{
    struct slice run;

    for (;;) {
        enum intake_result r = read_on(s, &run);
        if (r == INTAKE_END)
            return STAGE_NEXT;
        if (r == INTAKE_WAIT)
            return STAGE_WAIT;
        if (r == INTAKE_RUN && spool_append(s->spool_in, run.p, run.n)) {
            if (stream_may_go_on(s, run.n))
                continue;
            return STAGE_WAIT;
        }
        int status = r == INTAKE_BAD         ? 400
                     : r == INTAKE_TOO_LARGE ? 413
                     : r == INTAKE_TIMEOUT   ? 408
                                             : 500;
        if (r == INTAKE_GONE)
            return STAGE_FAIL;
        if (r == INTAKE_REFUSED) {
            request_body_refuse(s);
            return STAGE_DONE;
        }
        s->cause = status == 408 ? s->intake.late : "request body could not be taken";
        if (status == 408)
            stats_add(&s->w->stats->timeouts, 1);
        stream_answer(s, status,
                      status == 400   ? "Bad request"
                      : status == 413 ? s->intake.refusal ? s->intake.refusal : "Payload too large"
                      : status == 408 ? "Request timeout"
                                      : "An unexpected error occurred");
        s->reply.close = true;
        return STAGE_DONE;
    }
}

/* --- changed by a plugin -------------------------------------------------------------------- */

static bool read_all(const struct spool *sp, char *to)
{
    uint64_t size = spool_size(sp), at = 0;

    while (at < size) {
        ssize_t n = spool_read(sp, at, to + at, (size_t)(size - at));
        if (n <= 0)
            return false;
        at += (uint64_t)n;
    }
    return true;
}

/* What says something about the bytes that were there before says nothing true any more. */
static void drop_digests(struct stream *s)
{
    for (size_t i = 0; i < FIELD_DIGESTS; i++)
        stream_drop_upstream(s, field_digests[i]);
}

static bool replace(struct stream *s, struct slice body)
{
    struct spool *changed = spool_make(s->w->conf->prefix.s);

    if (!changed || !spool_append(changed, body.p, body.n)) {
        spool_free(&changed);
        return false;
    }
    spool_free(&s->spool_in);
    s->spool_in = changed;
    drop_digests(s);
    return !s->starved;
}

enum edit_result request_body_edit(struct stream *s)
{
    const struct body_edit *edit = s->body_edit;
    size_t n = s->spool_in ? (size_t)spool_size(s->spool_in) : 0;
    char *text = malloc(n + 1); /* not of the stream: it is as good as gone now */
    struct arena arena;
    struct slice out = { NULL, 0 };
    enum edit_result r = EDIT_NO_MEMORY;

    s->body_edit = NULL;
    arena_init(&arena, NULL, 0);
    if (text && (!s->spool_in || read_all(s->spool_in, text)))
        r = edit->edit(edit, slice_of(text, n), &arena, &out);
    if (r == EDIT_DONE && !replace(s, out))
        r = EDIT_NO_MEMORY;
    arena_reset(&arena);
    free(text);
    return r;
}

/* --- on its way ----------------------------------------------------------------------------- */

static enum intake_result next_run(struct stream *s, struct slice *run)
{
    if (!s->spool_in)
        return read_on(s, run);
    if (s->spool_in_at == spool_size(s->spool_in))
        return INTAKE_END;
    char *to = s->w->scratch + WORKER_SCRATCH;
    ssize_t n = spool_read(s->spool_in, s->spool_in_at, to, WORKER_SPOOL);
    if (n <= 0)
        return INTAKE_GONE;
    s->spool_in_at += (uint64_t)n;
    *run = slice_of(to, (size_t)n);
    return INTAKE_RUN;
}

static bool chunked(const struct stream *s)
{
    return s->intake.framing == FRAMING_CHUNKED && !s->spool_in;
}

/* The kernel took some of `n` bytes: the connection stands, and the peer may act on them. */
static void note_progress(struct upconn *u, size_t n)
{
    if (outbuf_size(&u->out) < n)
        u->connected = u->sent = true;
}

static size_t total_of(const struct iovec *iov, int n)
{
    size_t total = 0;

    for (int i = 0; i < n; i++)
        total += iov[i].iov_len;
    return total;
}

/* Sends `first` (may be empty), then a run in its framing, then the end where `end` says so. */
static bool send_run(struct stream *s, struct slice first, struct slice run, bool end)
{
    struct upconn *u = s->up;
    char size[24], *p = size;
    struct iovec iov[5];
    int k = 0;
    struct slice last = SLICE("0\r\n\r\n");

    if (first.n)
        iov[k++] = (struct iovec){ (void *)(uintptr_t)first.p, first.n };
    if (run.n && chunked(s)) {
        p = build_hex(p, run.n);
        p = build_slice(p, SLICE("\r\n"));
        iov[k++] = (struct iovec){ size, (size_t)(p - size) };
    }
    if (run.n)
        iov[k++] = (struct iovec){ (void *)(uintptr_t)run.p, run.n };
    if (run.n && chunked(s))
        iov[k++] = (struct iovec){ (void *)(uintptr_t) "\r\n", 2 };
    if (end && chunked(s)) {
        const struct chunk *c = &s->intake.chunk;
        if (c->trailers_n)
            last = arena_print(&s->arena, "0\r\n%.*s\r\n", (int)c->trailers_n, c->trailers);
        if (!last.p)
            last = SLICE("0\r\n\r\n"); /* no memory: better no trailers than no end */
        iov[k++] = (struct iovec){ (void *)(uintptr_t)last.p, last.n };
    }
    s->request_sent = end;
    size_t n = outbuf_size(&u->out) + total_of(iov, k);
    if (!outbuf_send(&u->out, &u->t, iov, k)) {
        u->sent |= errno == ENOMEM || u->t.tls; /* it broke at a later part, perhaps */
        return false;
    }
    note_progress(u, n);
    return true;
}

enum body_state request_body_pump(struct stream *s, struct slice head)
{
    struct upconn *u = s->up;
    struct slice none = { NULL, 0 };

    if (!outbuf_empty(&u->out)) {
        size_t n = outbuf_size(&u->out);
        if (!outbuf_flush(&u->out, &u->t))
            return BODY_UPSTREAM_BROKE;
        note_progress(u, n);
    }
    while (!s->request_sent && outbuf_empty(&u->out)) {
        struct slice run = none;
        enum intake_result r = next_run(s, &run);
        if (r != INTAKE_RUN && r != INTAKE_END && r != INTAKE_WAIT)
            return state_of(r);
        if (r == INTAKE_WAIT && head.n == 0)
            return BODY_GOING;
        bool end =
            r == INTAKE_END || (r == INTAKE_RUN && !chunked(s) && !s->spool_in && s->intake.done);
        if (!send_run(s, head, r == INTAKE_RUN ? run : none, end))
            return errno == ENOMEM ? BODY_NO_MEMORY : BODY_UPSTREAM_BROKE;
        head = none;
        if (r == INTAKE_WAIT || !stream_may_go_on(s, run.n))
            break;
    }
    return s->request_sent && outbuf_empty(&u->out) ? BODY_SENT : BODY_GOING;
}

bool request_body_rewind(struct stream *s)
{
    s->spool_in_at = 0;
    if (s->spool_in)
        return true;
    if (!s->carrier->rewind_body(s))
        return false;
    s->body_passed = false;
    if (s->body_watch)
        s->body_watch->begin(s->body_watch);
    return true;
}
