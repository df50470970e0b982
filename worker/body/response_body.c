/* SPDX-License-Identifier: Apache-2.0 */
/* See response_body.h. A body that ends before its framing says so is never passed off as whole. */
#include "worker/body/response_body.h"

#include "worker/body/body_filter_life.h"
#include "worker/http/lines.h"
#include "worker/upstream/passive.h"
#include "worker/upstream/upstream.h"
#include <errno.h>

void response_body_begin(struct stream *s, const struct head *h)
{
    s->out_framing = h->framing;
    s->out_left = h->framing == FRAMING_LENGTH ? h->content_length : 0;
    s->up_keep = h->keep_alive && h->framing != FRAMING_CLOSE;
    s->out_done = h->framing == FRAMING_NONE || (h->framing == FRAMING_LENGTH && s->out_left == 0);
    if (h->framing == FRAMING_CHUNKED)
        chunk_init(&s->out_chunk, arena_take(&s->arena, CHUNK_TRAILERS_KEPT));
}

static enum response_run broke(struct stream *s, enum health_cause kind, const char *cause)
{
    s->cause = cause;
    passive_failed(s, s->up->expired, health_cause_text(kind), cause);
    return RESPONSE_BROKE;
}

static bool is_digest(struct slice name)
{
    for (size_t i = 0; i < FIELD_DIGESTS; i++)
        if (slice_equal_nocase(name, field_digests[i]))
            return true;
    return false;
}

/* What vouches for the body that came is not true of one that is changed on the way. */
static struct slice true_trailers(const struct stream *s)
{
    const struct chunk *c = &s->out_chunk;
    struct slice rest = slice_of(c->trailers, c->trailers_n);
    struct line line;
    char *to = c->trailers;

    if (!s->filters || !body_filter_changes(s))
        return rest;
    while (lines_next(&rest, &line)) {
        if (is_digest(line.name))
            continue;
        memmove(to, line.whole.p, line.whole.n);
        to += line.whole.n;
    }
    return slice_of(c->trailers, (size_t)(to - c->trailers));
}

static enum response_run take(struct stream *s, struct slice *run)
{
    struct upconn *u = s->up;
    struct slice raw = slice_of(u->buf + u->from, u->to - u->from);

    if (s->out_framing == FRAMING_CHUNKED) {
        enum chunk_verdict verdict = chunk_next(&s->out_chunk, &raw, run);
        u->from = (uint32_t)(raw.p - u->buf);
        if (verdict == CHUNK_END) {
            s->out_done = true;
            s->trailers_out = true_trailers(s);
            return RESPONSE_END;
        }
        if (verdict == CHUNK_BAD)
            return broke(s, HEALTH_CAUSE_MALFORMED, "malformed chunk from the upstream");
        return verdict == CHUNK_DATA ? RESPONSE_RUN : RESPONSE_WAIT;
    }
    if (s->out_framing == FRAMING_LENGTH && raw.n > s->out_left)
        raw.n = (size_t)s->out_left;
    *run = raw;
    u->from += (uint32_t)raw.n;
    if (s->out_framing == FRAMING_LENGTH) {
        s->out_left -= raw.n;
        s->out_done = s->out_left == 0;
    }
    return RESPONSE_RUN;
}

enum response_run response_body_next(struct stream *s, bool read, struct slice *run)
{
    struct upconn *u = s->up;

    for (;;) {
        if (s->out_done)
            return RESPONSE_END;
        if (u->from < u->to) {
            enum response_run r = take(s, run);
            if (r != RESPONSE_WAIT)
                return r;
        }
        if (!read)
            return RESPONSE_WAIT;
        ssize_t got = upstream_read(u);
        if (got > 0)
            continue;
        if (got < 0 && errno == EAGAIN && !u->expired)
            return RESPONSE_WAIT;
        if (got < 0 && errno == EAGAIN)
            return broke(s, HEALTH_CAUSE_READ_TIMEOUT, "upstream timed out inside the body");
        if (got < 0 && errno == ENOMEM) {
            s->cause = "no memory for a response";
            return RESPONSE_BROKE;
        }
        if (got == 0 && s->out_framing == FRAMING_CLOSE) {
            s->out_done = true;
            return RESPONSE_END;
        }
        return broke(s, HEALTH_CAUSE_CUT, "upstream closed the connection inside the body");
    }
}
