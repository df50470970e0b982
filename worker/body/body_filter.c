/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Data is pushed: the stage gives what it has to the first filter, and each passes on what it makes
 * of it. Since the stage asks its source for more only when the carrier has sent everything, a slow
 * client stops all of them. A head waits at each filter until something is passed on behind it, so
 * that it leaves in one call with the first bytes, and may say what the filter only finds out then.
 */
#include "worker/body/body_filter_life.h"

#include "shm/assert.h"
#include "worker/caching/coded.h"
#include "worker/conn.h"
#include "worker/own_fields.h"
#include "worker/replying.h"
#include "worker/upstream/placing.h"

enum { FILTER_COST = 7 };

static void release(struct stream *s, struct body_filter *f)
{
    if (!f->ended && f->ops->end)
        f->ops->end(s, f->state);
    f->ended = true;
}

static bool to_carrier(struct stream *s, bool head, struct iovec *iov, int n, bool end)
{
    for (int i = 0; i < n; i++)
        s->filters->sent += iov[i].iov_len;
    s->filters->closed |= end;
    if (s->filters->fill)
        coded_append(s, iov, n, end);
    s->reply.extra = s->response_extra;
    return s->carrier->send(s, head ? &s->reply : NULL, iov, n, end);
}

void body_filter_ask(struct stream *s, struct body_filter *f)
{
    if (f->asked)
        return;
    f->asked = true;
    f->off = s->reply.upgrade || !f->ops->head(s, f->state, &s->reply) ||
             s->reply.length == REPLY_NO_BODY;
    if (f->off)
        release(s, f);
}

static bool give(struct stream *s, struct body_filter *f, bool head, struct iovec *iov, int n,
                 bool end)
{
    for (; f; f = f->next) {
        if (head) {
            body_filter_ask(s, f);
            f->pending = !f->off;
        }
        if (f->off)
            continue;
        if (n == 0 && !end)
            return true;
        bool ok = f->ops->body(s, f, iov, n, end);
        must(!ok || !end || !f->pending);
        return ok;
    }
    return to_carrier(s, head, iov, n, end);
}

bool body_filter_pass(struct stream *s, struct body_filter *f, struct iovec *iov, int n, bool end)
{
    bool head = f->pending;

    f->pending = false;
    bool ok = give(s, f->next, head, iov, n, end);
    if (end)
        release(s, f); /* not before: the bytes may be of its state */
    return ok;
}

void body_filter_keep(struct stream *s)
{
    coded_keep(s);
}

bool body_filter_refuse(struct stream *s, struct body_filter *f, int status, const char *message)
{
    must(f->pending);
    s->response_extra = s->filters->before;
    (void)stream_answer(s, status, message);
    replying_own(s);
    s->reply.own = own_fields(s, NULL);
    placing_clear(s);
    struct iovec iov = { (void *)(uintptr_t)s->own_body.p, s->own_body.n };
    return body_filter_pass(s, f, &iov, 1, true);
}

bool body_filter_add(struct stream *s, const struct body_filter_ops *ops, void *state)
{
    struct body_filters *row = s->filters ? s->filters : arena_take(&s->arena, sizeof *row);
    struct body_filter *f = arena_take(&s->arena, sizeof *f), **at;

    if (!row || !f)
        return false;
    if (s->conn->t.io.fd < 0) /* a refresh in the background: nobody is sent anything */
        return true;
    if (!s->filters)
        *row = (struct body_filters){ 0 };
    s->filters = row;
    *f = (struct body_filter){ .ops = ops, .state = state };
    for (at = &row->first; *at; at = &(*at)->next)
        ;
    *at = f;
    return true;
}

/* A copy, since fields are also replaced in the middle of a list. */
static struct extra_field *copy_fields(struct stream *s)
{
    struct extra_field *first = NULL, **at = &first;

    for (const struct extra_field *e = s->response_extra; e; e = e->next) {
        struct extra_field *copy = arena_take(&s->arena, sizeof *copy);
        if (!copy)
            break;
        *copy = *e;
        copy->next = NULL;
        *at = copy;
        at = &copy->next;
    }
    return first;
}

static bool is_held(const struct stream *s)
{
    for (const struct body_filter *f = s->filters->first; f; f = f->next)
        if (f->pending)
            return true;
    return false;
}

/* The head of an upstream lies where its body will be read to, and is parsed into what all streams
 * share. */
static bool hold_head(struct stream *s)
{
    struct head *copy;

    if (!s->reply.head || s->filters->held || !is_held(s))
        return true;
    copy = arena_take(&s->arena, sizeof *copy);
    if (!copy || !stream_copy_head(copy, s->reply.head, &s->arena))
        return false;
    s->reply.head = copy;
    s->reply.reason = copy->reason;
    s->filters->held = true;
    return true;
}

bool body_filter_send(struct stream *s, bool head, struct iovec *iov, int n, bool end)
{
    size_t bytes = 0;

    if (s->left || s->filters->closed) /* nobody listens, or a filter said all */
        return true;
    for (int i = 0; i < n; i++)
        bytes += iov[i].iov_len;
    if (head && !s->filters->saved) {
        s->filters->before = copy_fields(s);
        s->filters->saved = true;
    }
    bool ok = give(s, s->filters->first, head, iov, n, end);
    if (ok && !end) /* work on a byte is not a byte moved: others have their turn sooner */
        (void)stream_may_go_on(s, bytes * FILTER_COST);
    return ok && hold_head(s);
}

bool body_filter_flush(struct stream *s)
{
    if (s->left || s->filters->closed)
        return true;
    for (struct body_filter *f = s->filters->first; f; f = f->next) {
        if (f->off || f->ended)
            continue;
        if (!f->ops->flush)
            return true;
        if (!f->ops->flush(s, f) || (f->pending && !body_filter_pass(s, f, NULL, 0, false)))
            return false;
    }
    return true;
}

bool body_filter_retract(struct stream *s)
{
    if (!is_held(s))
        return false;
    s->response_extra = s->filters->before;
    body_filter_end(s);
    s->filters = NULL;
    return true;
}

void body_filter_drop(struct stream *s)
{
    s->reply.extra = s->response_extra;
    body_filter_end(s);
    s->filters = NULL;
}

void body_filter_end(struct stream *s)
{
    coded_abort(s);
    for (struct body_filter *f = s->filters->first; f; f = f->next)
        release(s, f);
}
