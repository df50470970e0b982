/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The copy that is collected is the filter's own: what comes may lie in shared memory, which others
 * read. It grows by doubling, so a response without a length costs no more than twice its size.
 */
#include "worker/body/body_filter_whole.h"

#include "worker/base/log.h"
#include <inttypes.h>
#include <stdlib.h>

enum { WHOLE_FIRST = 4096 };

struct whole {
    const struct body_filter_whole *ops;
    const void *config;
    struct reply *reply;
    uint64_t limit;
    char *p;
    size_t n, cap;
    bool over; /* larger than the limit: passed through, or refused */
};

static bool head(struct stream *s, void *state, struct reply *reply)
{
    struct whole *w = state;

    w->reply = reply;
    if (!w->ops->wanted(s, w->config, reply))
        return false;
    w->over = reply->length == REPLY_LENGTH && reply->content_length > w->limit;
    if (w->over)
        return w->ops->refuse;
    if (reply->length == REPLY_NO_BODY) /* the length is that of another body */
        reply->announce = false;
    return true;
}

static bool reserve(struct whole *w, size_t n)
{
    size_t cap = w->cap ? w->cap : WHOLE_FIRST;

    while (cap < w->n + n)
        cap *= 2;
    if (cap == w->cap)
        return true;
    char *p = realloc(w->p, cap);
    if (!p)
        return false;
    w->p = p;
    w->cap = cap;
    return true;
}

static bool give_up(struct stream *s, struct body_filter *f)
{
    const struct whole *w = f->state;
    log_rarely(LOG_LEVEL_WARN, "a response was refused: a plugin reads at most %" PRIu64 " bytes",
               w->limit);
    return body_filter_refuse(s, f, 502, "The response of the upstream server is too large");
}

/* What was kept, then the rest as it comes. */
static bool let_through(struct stream *s, struct body_filter *f, struct iovec *iov, int n, bool end)
{
    struct whole *w = f->state;
    struct iovec kept = { w->p, w->n };

    w->over = true;
    if (w->n && !body_filter_pass(s, f, &kept, 1, false))
        return false;
    free(w->p);
    w->p = NULL;
    w->n = 0;
    return body_filter_pass(s, f, iov, n, end);
}

static bool replace(struct stream *s, struct body_filter *f)
{
    struct whole *w = f->state;
    struct slice new = slice_of(w->p, w->n);

    if (!w->ops->replace(s, w->config, new, &new))
        return body_filter_refuse(s, f, 500, "An unexpected error occurred");
    w->reply->length = REPLY_LENGTH;
    w->reply->announce = true;
    w->reply->content_length = new.n;
    struct iovec iov = { (void *)(uintptr_t) new.p, new.n };
    return body_filter_pass(s, f, &iov, 1, true);
}

static bool body(struct stream *s, struct body_filter *f, struct iovec *iov, int n, bool end)
{
    struct whole *w = f->state;
    size_t more = 0;

    for (int i = 0; i < n; i++)
        more += iov[i].iov_len;
    if (!w->over && w->n + more > w->limit) {
        if (!w->ops->refuse)
            return let_through(s, f, iov, n, end);
        w->over = true;
    }
    if (w->over)
        return w->ops->refuse ? give_up(s, f) : body_filter_pass(s, f, iov, n, end);
    if (!reserve(w, more))
        return body_filter_refuse(s, f, 500, "An unexpected error occurred");
    for (int i = 0; i < n; i++) {
        memcpy(w->p + w->n, iov[i].iov_base, iov[i].iov_len);
        w->n += iov[i].iov_len;
    }
    return !end || replace(s, f);
}

static void end(struct stream *s, void *state)
{
    struct whole *w = state;

    (void)s;
    free(w->p);
    w->p = NULL;
}

static const struct body_filter_ops whole_ops = { .head = head, .body = body, .end = end };

bool body_filter_whole_add(struct stream *s, const struct body_filter_whole *ops,
                           const void *config, uint64_t limit)
{
    struct whole *w = arena_take(stream_arena(s), sizeof *w);

    if (!w)
        return false;
    *w = (struct whole){ .ops = ops, .config = config, .limit = limit };
    return body_filter_add(s, &whole_ops, w);
}
