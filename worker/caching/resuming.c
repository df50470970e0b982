/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was sent is remembered as two keyed hashes of 64 bits, not as bytes: so any body can be gone
 * on with, however long, and whatever the origin says of its ranges and validators. A client that
 * gets the rest of another response with the same beginning has got that response.
 */
#include "worker/caching/resuming.h"

#include "worker/caching/collapsing.h"
#define XXH_INLINE_ALL
#include <xxhash.h>

struct resume {
    XXH64_state_t sent[2], seen[2];
    uint64_t left; /* of what was sent, still to be seen again */
};

static void clear(struct stream *s, XXH64_state_t *hash)
{
    for (int i = 0; i < 2; i++)
        (void)XXH64_reset(&hash[i], s->w->id_random[i]);
}

static void add(XXH64_state_t *hash, const void *p, size_t n)
{
    for (int i = 0; i < 2; i++)
        (void)XXH64_update(&hash[i], p, n);
}

static bool same(const struct resume *r)
{
    return XXH64_digest(&r->sent[0]) == XXH64_digest(&r->seen[0]) &&
           XXH64_digest(&r->sent[1]) == XXH64_digest(&r->seen[1]);
}

void resuming_note(struct stream *s, const struct iovec *iov, int n)
{
    if (s->reply.length != REPLY_UNKNOWN || s->reply.status != 200)
        return;
    if (!s->resume) {
        s->resume = arena_take(&s->arena, sizeof *s->resume);
        if (!s->resume)
            return;
        *s->resume = (struct resume){ .left = 0 };
        clear(s, s->resume->sent);
        clear(s, s->resume->seen);
    }
    for (int i = 0; i < n; i++) {
        add(s->resume->sent, iov[i].iov_base, iov[i].iov_len);
        s->resume->left += iov[i].iov_len;
    }
}

bool resuming_begin(struct stream *s)
{
    struct resume *r = s->resume;

    if (!r || s->resuming || r->left != s->cached_at || !collapsing_is_passed(s))
        return false;
    s->resuming = true;
    collapsing_release(s);
    cache_unpin(s->cache, &s->hit);
    s->hit.entry = NULL;
    s->joined = s->cache_store = false;
    s->answer = ANSWER_NONE;
    s->tries = 0;
    return true;
}

enum stage_result resuming_failed(struct stream *s)
{
    s->cut = !s->chunked_out;
    return STAGE_FAIL;
}

enum stage_result resuming_answered(struct stream *s)
{
    const struct head *h = s->w->reply_head;

    if (s->answer != ANSWER_UPSTREAM || h->status != 200)
        return resuming_failed(s);
    response_body_begin(s, h);
    return STAGE_NEXT;
}

enum response_run resuming_next(struct stream *s, struct slice *run, size_t *skipped)
{
    struct resume *r = s->resume;
    enum response_run result = response_body_next(s, true, run);

    *skipped = 0;
    if (result == RESPONSE_END && r->left > 0)
        return RESPONSE_BROKE;
    if (result != RESPONSE_RUN)
        return result;
    *skipped = r->left < run->n ? (size_t)r->left : run->n;
    add(r->seen, run->p, *skipped);
    r->left -= *skipped;
    *run = slice_of(run->p + *skipped, run->n - *skipped);
    return r->left > 0 || same(r) ? RESPONSE_RUN : RESPONSE_BROKE;
}

bool resuming_done(const struct stream *s)
{
    return s->resume->left == 0;
}
