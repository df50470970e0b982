/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The own process pins what it fills, as others do that wait for it. So nothing is lost when the
 * object is published and thrown out again at once, or when the fill is given up for lack of room:
 * the client then gets what is there, after that the one run that did not fit any more, which stays
 * in the upstream's buffer meanwhile, and goes on at its own speed.
 */
#include "worker/caching/ahead.h"

#include "worker/caching/storing.h"

struct ahead {
    struct cache_growth growth;
    uint64_t known; /* when there is no fill any more */
    struct slice held;
};

bool ahead_begin(struct stream *s)
{
    struct ahead *a = s->ahead ? s->ahead : arena_take(&s->arena, sizeof *a);

    if (!a || !cache_fill_pin(s->fill, &s->hit))
        return false;
    *a = (struct ahead){ .growth.offset = s->body_sent };
    s->ahead = a;
    return true;
}

enum response_run ahead_pull(struct stream *s)
{
    struct ahead *a = s->ahead;
    struct slice run;
    enum response_run r = response_body_next(s, true, &run);

    a->known = cache_fill_size(s->fill);
    if (r == RESPONSE_END)
        storing_commit(s);
    if (r != RESPONSE_RUN)
        return r;
    storing_append(s, run);
    if (s->fill)
        storing_progress(s);
    else
        a->held = run;
    return r;
}

uint64_t ahead_behind(const struct stream *s)
{
    const struct ahead *a = s->ahead;

    return (s->fill ? cache_fill_size(s->fill) : a->known) - a->growth.offset;
}

int ahead_next(struct stream *s, struct iovec *iov, int max, size_t most)
{
    struct ahead *a = s->ahead;
    size_t bytes = 0;

    a->growth.known = a->growth.offset + ahead_behind(s);
    int n = cache_body_grown(s->cache, &s->hit, &a->growth, iov, max);
    for (int i = 0; i < n; i++) {
        if (i > 0 && bytes + iov[i].iov_len > most)
            n = i;
        else
            bytes += iov[i].iov_len;
    }
    a->growth.offset += bytes;
    return n;
}

struct slice ahead_held(const struct stream *s)
{
    return s->ahead->held;
}

void ahead_end(struct stream *s)
{
    if (s->hit.entry)
        cache_unpin(s->cache, &s->hit);
    s->hit.entry = NULL;
}
