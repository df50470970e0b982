/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A plain request takes the short way: three fields are not there, the stored lines and the whole
 * body go out as they are. Conditions come before ranges (RFC 9110 section 13.2.2). What does not
 * fit into memory is answered with the whole.
 */
#include "worker/caching/serving.h"

#include "worker/http/build.h"
#include "worker/http/conditional.h"
#include "worker/http/date.h"
#include "worker/http/lines.h"
#include "worker/http/range.h"

enum { RANGE_FIELD_MAX = 96 };

static bool bodiless(const struct stream *s, int status)
{
    return s->head.method == METHOD_HEAD || status == 204 || status == 304;
}

struct slice serving_lines(const struct stream *s)
{
    size_t own = s->hit.meta->private_n;

    return s->fresh_lines.p ? s->fresh_lines : slice_of(s->hit.head + own, s->hit.head_n - own);
}

static void whole(struct stream *s)
{
    int status = s->hit.meta->status;

    if (s->reply.status) /* an upstream's, or an error that the object answers for */
        s->reply = (struct reply){ 0 };
    s->reply.status = status;
    s->reply.lines = serving_lines(s);
    s->reply.length = bodiless(s, status) ? REPLY_NO_BODY : REPLY_LENGTH;
    s->reply.announce = status != 204 && status != 304;
    s->reply.content_length = s->hit.body_n;
    s->cached_end = s->reply.length == REPLY_LENGTH ? s->hit.body_n : 0;
}

/* --- 304 ------------------------------------------------------------------------------------ */

static void not_modified(struct stream *s)
{
    struct slice rest = serving_lines(s);
    char *start = arena_take(&s->arena, rest.n + 1), *p = start;
    struct line line;

    if (!start)
        return;
    while (lines_next(&rest, &line))
        if (conditional_in_304(line.name))
            p = build_slice(p, line.whole);
    s->reply = (struct reply){ .status = 304,
                               .lines = slice_of(start, (size_t)(p - start)),
                               .length = REPLY_NO_BODY };
    s->cached_end = 0;
}

/* --- ranges --------------------------------------------------------------------------------- */

/* The lines with a Content-Range, and without Content-Type when that is another one. */
static char *range_lines(struct stream *s, bool with_type, size_t more)
{
    struct slice rest = serving_lines(s);
    char *start = arena_take(&s->arena, rest.n + more), *p = start;
    struct line line;

    if (!start)
        return NULL;
    s->reply.lines.p = start;
    while (lines_next(&rest, &line))
        if (with_type || !slice_equal_nocase(line.name, SLICE("Content-Type")))
            p = build_slice(p, line.whole);
    return p;
}

static void end_lines(struct stream *s, const char *end)
{
    s->reply.lines.n = (size_t)(end - s->reply.lines.p);
}

static void one_range(struct stream *s, const struct range *range)
{
    char *p = range_lines(s, true, RANGE_FIELD_MAX);

    if (!p)
        return;
    end_lines(s, range_field(p, range, s->hit.body_n));
    s->reply.status = 206;
    s->reply.content_length = range->n;
    s->cached_at = range->from;
    s->cached_end = range->from + range->n;
}

static void new_boundary(struct stream *s, char out[RANGE_BOUNDARY])
{
    static const char letters[64] =
        "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ__";
    uint64_t n = s->w->id_random[0] ^ (s->w->id_random[1] + (uint64_t)s->w->loop.now.us);

    for (int i = 0; i < RANGE_BOUNDARY; i++) {
        n = n * 6364136223846793005ull + 1442695040888963407ull;
        out[i] = letters[n >> 58];
    }
}

/* multipart/byteranges (RFC 9110 section 14.6). */
static void many_ranges(struct stream *s, const struct range *ranges, int n)
{
    static const struct slice intro = { "multipart/byteranges; boundary=", 31 };
    struct slice type = lines_find(serving_lines(s), SLICE("Content-Type"));
    size_t room = 2 * RANGE_BOUNDARY + 128 + type.n;
    struct serving_part *parts = arena_take(&s->arena, (size_t)(n + 1) * sizeof *parts);
    char boundary[RANGE_BOUNDARY], value[31 + RANGE_BOUNDARY];
    uint64_t total = 0;

    if (!parts)
        return;
    new_boundary(s, boundary);
    for (int i = 0; i <= n; i++) {
        char *text = arena_take(&s->arena, room);
        if (!text)
            return;
        char *end = range_part(text, boundary, type, i < n ? &ranges[i] : NULL, s->hit.body_n);
        parts[i] = (struct serving_part){ .before = slice_of(text, (size_t)(end - text)) };
        if (i < n) {
            parts[i].from = ranges[i].from;
            parts[i].to = ranges[i].from + ranges[i].n;
        }
        total += parts[i].before.n + parts[i].to - parts[i].from;
    }
    char *p = range_lines(s, false, sizeof value + 32);
    if (!p)
        return;
    (void)build_slice(build_slice(value, intro), slice_of(boundary, RANGE_BOUNDARY));
    end_lines(s, build_field(p, SLICE("Content-Type"), slice_of(value, sizeof value)));
    s->reply.status = 206;
    s->reply.content_length = total;
    s->parts = parts;
    s->parts_n = (uint32_t)n + 1;
    s->cached_at = s->cached_end = 0;
}

static void unsatisfiable(struct stream *s)
{
    char *start = arena_take(&s->arena, RANGE_FIELD_MAX);

    if (!start)
        return;
    char *end = range_field(start, NULL, s->hit.body_n);
    s->reply = (struct reply){ .status = 416,
                               .lines = slice_of(start, (size_t)(end - start)),
                               .length = REPLY_NO_BODY,
                               .announce = true };
    s->cached_end = 0;
}

static void with_range(struct stream *s, const struct conditional_validators *v)
{
    struct range ranges[RANGE_MAX];
    const struct field *f = head_field(&s->head, FIELD_RANGE);

    if (s->head.method != METHOD_GET || head_next(&s->head, f) ||
        !conditional_range_holds(&s->head, v, s->w->loop.now.real_s))
        return;
    int n = range_parse(field_value(f), s->hit.body_n, ranges);
    if (n == 1)
        one_range(s, ranges);
    else if (n > 1)
        many_ranges(s, ranges, n);
    else if (n < 0)
        unsatisfiable(s);
}

void serving_begin(struct stream *s)
{
    const struct head *h = &s->head;

    whole(s);
    if (__builtin_expect(!(h->first[FIELD_IF_NONE_MATCH] | h->first[FIELD_IF_MODIFIED_SINCE] |
                           h->first[FIELD_RANGE]),
                         1) ||
        s->hit.meta->status != 200 || (h->method != METHOD_GET && h->method != METHOD_HEAD))
        return;
    struct conditional_validators v = { .etag = lines_find(serving_lines(s), SLICE("ETag")),
                                        .modified = s->hit.meta->modified };
    if (h->first[FIELD_IF_RANGE])
        v.date = date_parse(lines_find(serving_lines(s), SLICE("Date")), s->w->loop.now.real_s);
    if (conditional_not_modified(h, &v, s->w->loop.now.real_s))
        not_modified(s);
    else if (h->first[FIELD_RANGE])
        with_range(s, &v);
}

/* --- the body ------------------------------------------------------------------------------- */

bool serving_done(const struct stream *s)
{
    return s->cached_at >= s->cached_end && s->part == s->parts_n;
}

/* Cuts the vectors to so many bytes at most; a whole vector is not cut for `most`. */
static int cut(struct iovec *iov, int n, size_t *bytes, uint64_t left, size_t most)
{
    for (; n > 1 && *bytes > most; n--)
        *bytes -= iov[n - 1].iov_len;
    while (*bytes > left) {
        size_t over = (size_t)(*bytes - left);
        if (over < iov[n - 1].iov_len) {
            iov[n - 1].iov_len -= over;
            *bytes -= over;
        } else {
            *bytes -= iov[--n].iov_len;
        }
    }
    return n;
}

int serving_next(struct stream *s, struct iovec *iov, int max, size_t most)
{
    size_t bytes = 0;
    int n = 0;

    if (s->cached_at >= s->cached_end && s->part < s->parts_n) {
        const struct serving_part *part = &s->parts[s->part++];
        s->cached_at = part->from;
        s->cached_end = part->to;
        iov[n++] = (struct iovec){ (void *)(uintptr_t)part->before.p, part->before.n };
    }
    if (s->cached_at >= s->cached_end)
        return n;
    int k = cache_body(s->cache, &s->hit, s->cached_at, iov + n, max - n, &bytes);
    if (bytes > most || bytes > s->cached_end - s->cached_at)
        k = cut(iov + n, k, &bytes, s->cached_end - s->cached_at, most);
    s->cached_at += bytes;
    return n + k;
}
