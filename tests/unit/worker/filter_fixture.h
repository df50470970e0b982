/* SPDX-License-Identifier: Apache-2.0 */
/* A stream whose carrier keeps what it is given, for tests of body filters. */
#ifndef TESTS_FILTER_FIXTURE_H
#define TESTS_FILTER_FIXTURE_H

#include "worker/body/body_filter_life.h"
#include "worker/conn.h"
#include <string.h>

static struct fixture {
    char sent[65536];
    size_t n;
    int heads, ends, calls;
    uint64_t length;
    enum reply_length framing;
    bool gone;
} wire;

static struct worker fixture_worker;
static struct conn fixture_conn;
static struct conf fixture_conf;

static inline bool fixture_send(struct stream *s, const struct reply *reply, struct iovec *iov,
                                int n, bool end)
{
    (void)s;
    if (wire.gone)
        return false;
    wire.calls++;
    wire.heads += reply != NULL;
    wire.ends += end;
    if (reply) {
        wire.framing = reply->length;
        wire.length = reply->content_length;
    }
    for (int i = 0; i < n; i++) {
        memcpy(wire.sent + wire.n, iov[i].iov_base, iov[i].iov_len);
        wire.n += iov[i].iov_len;
    }
    return true;
}

static inline bool fixture_may_go_on(struct stream *s, size_t moved)
{
    (void)s, (void)moved;
    return true;
}

static const struct carrier fixture_carrier = { .send = fixture_send,
                                                .may_go_on = fixture_may_go_on };

/* A stream that is about to send a response of that length. */
static inline void fixture_begin(struct stream *s, enum reply_length framing, uint64_t length)
{
    wire = (struct fixture){ 0 };
    memset(s, 0, sizeof *s);
    fixture_worker.conf = &fixture_conf;
    s->w = &fixture_worker;
    s->conn = &fixture_conn;
    s->carrier = &fixture_carrier;
    s->answer = ANSWER_UPSTREAM;
    s->intake.done = true;
    s->reply = (struct reply){ .status = 200, .length = framing, .content_length = length };
    arena_init(&s->arena, s->first_block, STREAM_FIRST_BLOCK);
}

static inline void fixture_end(struct stream *s)
{
    if (s->filters)
        body_filter_end(s);
    arena_reset(&s->arena);
}

static inline bool fixture_text(struct stream *s, bool head, const char *text, bool end)
{
    struct iovec iov = { (void *)(uintptr_t)text, strlen(text) };
    return body_filter_send(s, head, &iov, 1, end);
}

static inline bool fixture_got(const char *text)
{
    return wire.n == strlen(text) && memcmp(wire.sent, text, wire.n) == 0;
}

#endif
