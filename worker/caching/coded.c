/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The key is that of a variant of the URL: the original's mark is the salt, what the filter says it
 * makes (coding and level) the slot. A mark is drawn when a body is stored and kept when its head
 * is renewed, so an entry found under it was made of those very bytes, whoever stored it; one whose
 * original is gone cannot be found any more and leaves by eviction or with its original's time. Two
 * who make the same at once both store it, the later one stays.
 */
#include "worker/caching/coded.h"

#include "worker/body/body_filter_life.h"
#include "worker/http/build.h"
#include "worker/http/cache_key.h"
#include "worker/http/lines.h"
#include "worker/http/reuse.h"

/* --- marks ---------------------------------------------------------------------------------- */

char *coded_mark(struct stream *s, char *to)
{
    uint64_t n = s->w->id_random[0] + 0x9e3779b97f4a7c15ull * ++s->w->ids;

    n = (n ^ (n >> 30) ^ s->w->id_random[1]) * 0xbf58476d1ce4e5b9ull;
    n = (n ^ (n >> 27)) * 0x94d049bb133111ebull;
    n ^= n >> 31;
    to = build_slice(to, SLICE("@Body: "));
    to = build_octets(to, (const uint8_t *)&n, sizeof n);
    return build_slice(to, SLICE("\r\n"));
}

struct slice coded_marked(struct slice own)
{
    struct line line;

    while (lines_next(&own, &line))
        if (slice_equal(line.name, SLICE("@Body")))
            return line.whole;
    return (struct slice){ NULL, 0 };
}

static bool read_mark(const struct cache_hit *hit, uint64_t *mark)
{
    struct slice line = coded_marked(slice_of(hit->head, hit->meta->private_n)), hex;

    if (!line.p)
        return false;
    *mark = 0;
    hex = lines_find(line, SLICE("@Body"));
    for (size_t i = 0; i < hex.n; i++)
        *mark = *mark << 4 | (uint64_t)(hex.p[i] <= '9' ? hex.p[i] - '0' : hex.p[i] - 'a' + 10);
    return true;
}

/* --- hits ----------------------------------------------------------------------------------- */

/* The stored head is needed until it is sent, which is after its entry was let go. */
static void take_place(struct stream *s, struct cache_hit *found)
{
    struct slice lines = arena_copy(&s->arena, s->reply.lines);
    struct body_filter *f = s->filters->first;

    if (!lines.p) {
        cache_unpin(s->cache, found);
        return;
    }
    f->ops->stored(s, f->state);
    cache_unpin(s->cache, &s->hit);
    s->hit = *found;
    s->reply.lines = lines;
    s->reply.length = REPLY_LENGTH;
    s->reply.announce = true;
    s->reply.content_length = s->cached_end = found->body_n;
    body_filter_drop(s);
}

static bool look_up(struct stream *s, struct cache_hit *found)
{
    const struct body_filters *row = s->filters;

    if (!cache_find(s->cache, row->id, row->key.p, row->key.n, s->w->loop.now.real_s, found))
        return false;
    if (found->meta->flags & REUSE_CODED)
        return true;
    cache_unpin(s->cache, found);
    return false;
}

void coded_begin(struct stream *s)
{
    struct body_filters *row = s->filters;
    struct body_filter *f = row->first;
    struct cache_hit found;
    uint64_t mark;

    if (f->next || !f->ops->code || s->reply.status != s->hit.meta->status ||
        s->reply.length != REPLY_LENGTH)
        return;
    body_filter_ask(s, f);
    if (f->off) {
        body_filter_drop(s);
        return;
    }
    char *key = read_mark(&s->hit, &mark)
                    ? arena_take(&s->arena, s->cache_key.n + CACHE_KEY_VARIANT)
                    : NULL;
    if (!key)
        return;
    row->key = slice_of(key, cache_key_variant(s->cache_key, mark, f->ops->code(f->state), key));
    cache_id(s->cache, key, row->key.n, row->id);
    if (look_up(s, &found))
        take_place(s, &found);
}

/* --- fills ---------------------------------------------------------------------------------- */

void coded_keep(struct stream *s)
{
    struct body_filters *row = s->filters;

    if (!row->key.n || !s->hit.entry)
        return;
    struct cache_meta meta = *s->hit.meta;
    meta.flags = REUSE_CODED;
    meta.private_n = 0;
    meta.retry_at = 0;
    row->fill = cache_fill_begin(s->cache, row->id, row->key.p, row->key.n, &meta, "", 0, 0);
}

void coded_append(struct stream *s, const struct iovec *iov, int n, bool end)
{
    struct body_filters *row = s->filters;

    for (int i = 0; i < n && row->fill; i++)
        if (!cache_fill_append(row->fill, iov[i].iov_base, iov[i].iov_len))
            cache_fill_abort(&row->fill);
    if (end && row->fill)
        (void)cache_fill_commit(&row->fill);
}

void coded_abort(struct stream *s)
{
    if (s->filters->fill)
        cache_fill_abort(&s->filters->fill);
}
