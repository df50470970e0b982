/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The renewed head is judged like any other: it is written as a message and parsed again. What may
 * not be kept any more still answers this request, whose validation it passed. After a failure no
 * request of any worker asks again before the back-off has passed.
 */
#include "worker/caching/refreshing.h"

#include "worker/caching/asking.h"
#include "worker/caching/coded.h"
#include "worker/caching/serving.h"
#include "worker/caching/storing.h"
#include "worker/http/build.h"
#include "worker/http/conditional.h"
#include "worker/http/date.h"
#include "worker/http/lines.h"
#include "worker/http/merge.h"
#include "worker/http/reuse.h"
#include "worker/http/tags.h"

static void let_go(struct stream *s)
{
    if (s->hit.entry)
        cache_unpin(s->cache, &s->hit);
    s->hit.entry = NULL;
}

/* --- the request ---------------------------------------------------------------------------- */

static void set_or_drop(struct stream *s, struct slice name, struct slice value)
{
    if (value.n)
        stream_set_upstream(s, name, value);
    else
        stream_drop_upstream(s, name);
}

void refreshing_hold(struct stream *s)
{
    if (!cache_keep(s->cache, &s->hit)) {
        s->hit.entry = NULL;
        return;
    }
    if (!(s->hit.meta->flags & REUSE_VALIDATORS) ||
        (s->head.method != METHOD_GET && s->head.method != METHOD_HEAD))
        return;
    struct slice lines = serving_lines(s);
    set_or_drop(s, SLICE("If-None-Match"), lines_find(lines, SLICE("ETag")));
    set_or_drop(s, SLICE("If-Modified-Since"),
                s->hit.meta->modified ? lines_find(lines, SLICE("Last-Modified"))
                                      : slice_of(NULL, 0));
    stream_drop_upstream(s, SLICE("If-Range"));
    stream_drop_upstream(s, SLICE("Range"));
    s->validating = true;
}

/* --- failures ------------------------------------------------------------------------------- */

static bool listed(const struct stream *s, int status)
{
    static const struct {
        int status;
        unsigned flag;
    } table[] = { { 500, CONF_STALE_500 }, { 502, CONF_STALE_502 }, { 503, CONF_STALE_503 },
                  { 504, CONF_STALE_504 }, { 403, CONF_STALE_403 }, { 404, CONF_STALE_404 },
                  { 429, CONF_STALE_429 } };

    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (table[i].status == status)
            return (s->cache_config->serve_stale & table[i].flag) != 0;
    return false;
}

static int64_t retry_after(const struct head *h, int64_t now)
{
    struct slice value = field_value(head_field(h, FIELD_RETRY_AFTER));
    int64_t n = 0;

    for (size_t i = 0; i < value.n; i++) {
        if (value.p[i] < '0' || value.p[i] > '9' || n > INT32_MAX) {
            int64_t date = date_parse(value, now);
            return date > now ? date - now : 0;
        }
        n = n * 10 + (value.p[i] - '0');
    }
    return n;
}

/* The object answers for the failed upstream, if it may. */
static bool stand_in(struct stream *s, bool allowed, int64_t wait, const char *why)
{
    int64_t now = s->w->loop.now.real_s;
    bool obey = s->cache_config->cache_control;
    struct cache_control cc;

    asking_directives(s, &cc);
    if (!reuse_on_error(s->hit.meta, obey ? &cc : NULL, allowed, now))
        return false;
    cache_update_put_off(&s->hit, now + reuse_back_off(wait, (uint32_t)s->w->loop.now.us));
    s->cache_status = STATS_STALE;
    s->cache_reason = why;
    s->answer = ANSWER_CACHED;
    return true;
}

bool refreshing_failed(struct stream *s, int status)
{
    unsigned kind = status == 504 ? CONF_STALE_TIMEOUT : CONF_STALE_ERROR;

    if (status < 502 || status > 504)
        return false;
    if (!stand_in(s, (s->cache_config->serve_stale & kind) != 0, 0,
                  kind == CONF_STALE_ERROR ? "upstream failed" : "upstream timed out"))
        return false;
    stream_set_response(s, SLICE("Content-Type"), slice_of(NULL, 0));
    stream_set_response(s, SLICE("Retry-After"), slice_of(NULL, 0));
    return true;
}

/* --- 304 ------------------------------------------------------------------------------------ */

static size_t room_for(const struct stream *s, const struct head *h)
{
    size_t n = s->hit.head_n + 64;

    for (int i = 0; i < h->fields_n; i++)
        n += 2 * (h->fields[i].name_n + h->fields[i].value_n + 5u);
    return n;
}

/* The own lines of the renewed head: the tags of the 304 in place of those that it had, if the 304
 * has any and clients are not to see them. Returns the end. */
static char *own_lines(const struct stream *s, const struct head *h, char *to, const char *end)
{
    struct slice own = slice_of(s->hit.head, s->hit.meta->private_n);

    if (s->cache_config->strip_cache_tags && tags_any(h)) {
        to = tags_keep(to, end, h);
        struct slice mark = coded_marked(own);
        own = tags_behind(own);
        if (to && mark.n && (size_t)(end - to) >= mark.n)
            to = build_slice(to, mark);
    }
    return to && (size_t)(end - to) >= own.n ? build_slice(to, own) : NULL;
}

/* What holds for the merged lines. False: no memory, or they make no head. */
static bool judge(struct stream *s, struct slice lines, const struct head *h, struct storable *out)
{
    char *message = s->w->scratch;
    struct head *merged = arena_take(&s->arena, sizeof *merged);
    ptrdiff_t n = merge_message(s->hit.meta->status, lines, h, message, WORKER_SCRATCH);

    if (!merged || n < 0 || head_response(message, (size_t)n, 0, METHOD_HEAD, merged) != n)
        return false;
    storing_judge(s, merged, out);
    return true;
}

static bool renew(struct stream *s, const struct head *h)
{
    struct cache_meta meta = *s->hit.meta;
    struct storable verdict;
    size_t room = room_for(s, h);
    char *text = arena_take(&s->arena, room);
    char *public = text ? own_lines(s, h, text, text + room) : NULL;

    if (!public || public - text > UINT16_MAX)
        return false;
    ptrdiff_t n =
        merge_head(slice_of(s->hit.head + meta.private_n, s->hit.head_n - meta.private_n), h,
                   s->cache_config->store_set_cookie, public, room - (size_t)(public - text));
    if (n < 0)
        return false;
    if (!head_field(h, FIELD_DATE) && public + n + DATE_LINE <= text + room) /* it was made now */
        n = date_line(s->w->loop.now.real_s, public + n) - public;
    struct slice lines = slice_of(public, (size_t)n);
    if (!judge(s, lines, h, &verdict))
        return false;
    s->fresh_lines = lines;
    if (verdict.refusal) {
        s->cache_reason = verdict.refusal;
        cache_purge(s->cache, s->fill_id);
        return true;
    }
    s->fresh_lines.n = (size_t)merge_without(&verdict, lines, public);
    bool tagged = (meta.flags & REUSE_TAGGED) != 0 || tags_any(h);
    storable_meta(&verdict, s->w->loop.now.real_s, &meta);
    meta.flags |= tagged ? REUSE_TAGGED : 0;
    meta.private_n = (uint16_t)(public - text);
    meta.retry_at = 0;
    meta.born = s->born;
    cache_update(s->cache, &s->hit, &meta, text, (size_t)(public - text) + s->fresh_lines.n);
    return true;
}

/* Its strong ETag is not the stored one: what it says must not be written to that (RFC 9111 section
 * 4.3.4), which answers this client and is asked for anew afterwards. Origins that compress send
 * the same tag weak with a body and strong with a 304. */
static bool of_another(const struct stream *s, const struct head *h)
{
    struct slice theirs = field_value(head_field(h, FIELD_ETAG));
    struct slice ours = lines_find(serving_lines(s), SLICE("ETag"));

    return theirs.n && ours.n && theirs.p[0] == '"' && !conditional_weak_match(theirs, ours);
}

/* --- 200 to HEAD ---------------------------------------------------------------------------- */

static bool same_field(const struct stream *s, const struct head *h, enum field_id id)
{
    const struct field *f = head_field(h, id);

    return !f || slice_equal(field_value(f), lines_find(serving_lines(s), field_name(id)));
}

/* It speaks of the stored response, which it renews, or of another one, and then the stored one is
 * out of date (RFC 9111 section 4.3.5). */
static void compare_head(struct stream *s, const struct head *h)
{
    bool same = same_field(s, h, FIELD_ETAG) && same_field(s, h, FIELD_LAST_MODIFIED);

    if (head_field(h, FIELD_CONTENT_LENGTH) && h->content_length != s->hit.body_n)
        same = false;
    if (!same)
        cache_purge(s->cache, s->fill_id);
    else if (s->hit.meta->flags & REUSE_VALIDATORS)
        (void)renew(s, h);
}

bool refreshing_answered(struct stream *s, const struct head *h)
{
    bool server_error = h->status == 500 || (h->status >= 502 && h->status <= 504);

    if (h->status == 304 && s->validating) {
        if (of_another(s, h))
            cache_purge(s->cache, s->fill_id);
        else
            (void)renew(s, h); /* validated it is, whether that can be written down or not */
        s->cache_status = STATS_REVALIDATED;
        s->answer = ANSWER_CACHED;
        return true;
    }
    if ((server_error || listed(s, h->status)) &&
        (server_error || !(s->hit.meta->flags & REUSE_STRICT)) &&
        stand_in(s, listed(s, h->status), retry_after(h, s->w->loop.now.real_s),
                 "upstream answered with an error"))
        return true;
    if (s->head.method == METHOD_HEAD && h->status == 200 && s->hit.meta->status == 200)
        compare_head(s, h);
    let_go(s);
    return false;
}
