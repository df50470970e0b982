/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stream begins at the balance stage, and its carrier takes the place of a client: it hands out
 * the body from memory and keeps what the respond stage sends. One timer bounds all of it, whatever
 * single steps may take. It is asked again on another connection as freely as GET: nothing changes
 * by a question.
 */
#include "worker/inquiry/question.h"

#include "worker/errand.h"
#include "worker/nobody.h"
#include <openssl/crypto.h>
#include <stdlib.h>

struct question {
    struct errand errand;
    struct timer timer;
    struct slice body; /* in the stream's arena */
    char *answer;      /* NULL: nothing came */
    size_t answer_n, answer_cap, answer_max;
    int status;
    bool whole, late;
    void (*done)(void *arg, const struct question_answer *answer);
    void *arg;
};

static struct question *of(const struct stream *s)
{
    return (struct question *)((char *)errand_of(s) - offsetof(struct question, errand));
}

/* --- the carrier ---------------------------------------------------------------------------- */

static enum intake_result read_body(struct stream *s, struct slice *run)
{
    if (s->intake.done)
        return INTAKE_END;
    *run = of(s)->body;
    s->intake.received = run->n;
    s->intake.done = true;
    return INTAKE_RUN;
}

static bool rewind_body(struct stream *s)
{
    s->intake.received = 0;
    s->intake.done = of(s)->body.n == 0;
    return true;
}

static size_t pooled(size_t cap)
{
    return cap > QUESTION_SMALL ? cap - QUESTION_SMALL : 0;
}

static void wipe_answer(struct question *q)
{
    if (q->answer)
        OPENSSL_cleanse(q->answer, q->answer_n);
    free(q->answer);
    q->errand.stream->w->answers_pool -= pooled(q->answer_cap);
}

/* Room for `n` bytes, n <= answer_max. NULL, or why there is none. */
static const char *make_room(struct question *q, size_t n)
{
    size_t *pool = &q->errand.stream->w->answers_pool, cap = QUESTION_SMALL;

    if (q->answer && n <= q->answer_cap)
        return NULL;
    while (cap < n)
        cap *= 2;
    if (cap > q->answer_max)
        cap = q->answer_max;
    if (*pool - pooled(q->answer_cap) + pooled(cap) > QUESTION_POOL)
        return "the answers under way are too many and too long";
    char *p = malloc(cap);
    if (!p)
        return "no memory for the answer";
    if (q->answer_n)
        memcpy(p, q->answer, q->answer_n);
    wipe_answer(q);
    q->answer = p;
    q->answer_cap = cap;
    *pool += pooled(cap);
    return NULL;
}

/* NULL, or why it is as if the client had gone. */
static const char *take(struct question *q, const struct iovec *iov)
{
    if (iov->iov_len > q->answer_max - q->answer_n)
        return "the answer is too long";
    const char *why = make_room(q, q->answer_n + iov->iov_len);
    if (!why && iov->iov_len)
        memcpy(q->answer + q->answer_n, iov->iov_base, iov->iov_len);
    if (!why)
        q->answer_n += iov->iov_len;
    return why;
}

static bool keep(struct stream *s, const struct reply *reply, struct iovec *body, int n, bool end)
{
    struct question *q = of(s);

    if (reply)
        q->status = reply->status;
    if (s->answer != ANSWER_UPSTREAM) /* an error of our own */
        return true;
    for (int i = 0; i < n; i++) {
        const char *why = take(q, &body[i]);
        if (why) {
            s->cause = why;
            return false;
        }
    }
    q->whole = end;
    return true;
}

static const struct carrier question_carrier = {
    .read_head = nobody_read_head,
    .read_body = read_body,
    .rewind_body = rewind_body,
    .send_interim = nobody_send_interim,
    .send = keep,
    .flushed = nobody_flushed,
    .abandoned = nobody_abandoned,
    .wake = errand_wake,
    .may_go_on = errand_may_go_on,
};

/* --- its life ------------------------------------------------------------------------------- */

static void discard(struct question *q)
{
    timer_drop(&q->errand.stream->w->loop.timers, &q->timer);
    /* what was asked about is a secret */
    if (q->body.n)
        OPENSSL_cleanse((char *)(uintptr_t)q->body.p, q->body.n);
    for (struct extra_field *e = q->errand.stream->request.extra; e; e = e->next)
        if (e->value.n)
            OPENSSL_cleanse((char *)(uintptr_t)e->value.p, e->value.n);
    wipe_answer(q);
    stream_free(&q->errand.stream);
    free(q);
}

static void finish(struct errand *e)
{
    struct question *q = of(e->stream);
    struct question_answer answer = { .status = q->whole ? q->status : 0,
                                      .body = slice_of(q->answer, q->answer_n),
                                      .cause =
                                          q->late ? "no answer in time" : q->errand.stream->cause };

    if (!answer.cause)
        answer.cause = "no answer";
    q->done(q->arg, &answer);
    discard(q);
}

static void expire(struct timer *t)
{
    struct question *q = (struct question *)((char *)t - offsetof(struct question, timer));

    q->late = !q->errand.over;
    q->whole &= !q->late;
    q->errand.over = true;
    errand_put_off(&q->errand);
}

/* --- the request ---------------------------------------------------------------------------- */

static bool copy_text(struct stream *s, struct slice from, struct slice *to)
{
    *to = from.p ? arena_copy(&s->arena, from) : from;
    return !from.p || to->p;
}

static bool fill(struct question *q, const struct inquiry_question *what)
{
    static const struct conf_chain no_plugins = { 0 };
    static const struct conf_route no_route = { .chain = &no_plugins };
    struct stream *s = q->errand.stream;
    struct request *r = &s->request;

    memset(&s->head, 0, offsetof(struct head, fields));
    s->head.method = what->body.n ? METHOD_POST : METHOD_GET;
    s->head.method_text = what->body.n ? SLICE("POST") : SLICE("GET");
    s->head.minor = 1;
    s->head.framing = what->body.n ? FRAMING_LENGTH : FRAMING_NONE;
    s->head.content_length = what->body.n;
    s->head.keep_alive = true;
    s->intake = (struct intake){ .framing = s->head.framing,
                                 .done = what->body.n == 0,
                                 .continued = true,
                                 .limit = UINT64_MAX };
    s->head_at = s->w->loop.now.us;
    s->own = true;
    s->ended = true; /* no line in the access log, no count of a request */
    s->route = &no_route;
    s->service = what->service;
    r->host = SLICE("");
    for (size_t i = 0; i < what->fields_n; i++)
        stream_set_upstream(s, what->fields[i].name, what->fields[i].value);
    return !s->starved && copy_text(s, what->body, &q->body) &&
           copy_text(s, what->path, &r->path) && copy_text(s, what->path, &r->uri.path) &&
           copy_text(s, what->query, &r->query);
}

bool question_ask(struct worker *w, const struct inquiry_question *what,
                  void (*done)(void *arg, const struct question_answer *answer), void *arg)
{
    struct question *q = calloc(1, sizeof *q);

    if (!q)
        return false;
    q->errand.end = finish;
    q->done = done;
    q->arg = arg;
    q->answer_max = what->answer_max;
    if (!errand_make(&q->errand, w, &question_carrier)) {
        free(q);
        return false;
    }
    if (!fill(q, what)) {
        q->errand.stream->ended = true;
        discard(q);
        return false;
    }
    q->errand.stream->stage = STAGE_BALANCE;
    timer_set(&w->loop.timers, &q->timer, w->loop.now.ms + what->timeout, expire);
    errand_put_off(&q->errand);
    return true;
}
