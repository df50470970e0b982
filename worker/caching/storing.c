/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decides on storing, and feeds the fill. The operator's conditions come first, then what the
 * response says of itself (http/storable.h), then whether it was asked for often enough.
 */
#include "worker/caching/storing.h"

#include "shm/cache_ticket.h"
#include "worker/caching/asking.h"
#include "worker/caching/coded.h"
#include "worker/caching/collapsing.h"
#include "worker/http/build.h"
#include "worker/http/date.h"
#include "worker/http/media.h"
#include "worker/http/tags.h"

enum { COUNT_SECONDS = 3600 };

/* --- may it be stored ----------------------------------------------------------------------- */

static bool listed_status(const struct conf_proxy_cache *conf, int status)
{
    for (size_t i = 0; i < conf->response_code.n; i++)
        if (conf->response_code.v[i] == status)
            return true;
    return conf->response_code.n == 0;
}

static bool listed_type(const struct conf_proxy_cache *conf, const struct head *h)
{
    const struct field *f = head_field(h, FIELD_CONTENT_TYPE);

    for (size_t i = 0; f && i < conf->content_type_n; i++)
        if (media_matches(&conf->content_type[i], field_value(f)))
            return true;
    return conf->content_type_n == 0;
}

/* What the operator says. Why not; NULL: it may. */
static const char *refusal(const struct stream *s, const struct head *h)
{
    const struct conf_proxy_cache *conf = s->cache_config;

    if (s->head.method == METHOD_HEAD)
        return "a HEAD response has no body to store";
    if (!listed_status(conf, h->status))
        return "status not in response_code";
    if (!listed_type(conf, h))
        return "content type not in content_type";
    if (conf->max_object_size && h->framing == FRAMING_LENGTH &&
        h->content_length > conf->max_object_size)
        return "larger than max_object_size";
    if (asking_fits(s, &conf->no_store))
        return "no_store condition";
    return NULL;
}

static int64_t ttl_of(const struct conf_proxy_cache *conf, int status)
{
    for (size_t i = 0; i < conf->status_ttl_n; i++)
        if (status >= conf->status_ttl[i].first && status <= conf->status_ttl[i].last)
            return conf->status_ttl[i].ttl;
    return conf->cache_ttl;
}

void storing_judge(const struct stream *s, const struct head *h, struct storable *out)
{
    const struct conf_proxy_cache *conf = s->cache_config;
    int64_t now = s->w->loop.now.real_s;
    struct storable_rules rules = {
        .obey = conf->cache_control,
        .cookies = conf->store_set_cookie,
        .authorization = stream_has_authorization(s),
        .ttl = ttl_of(conf, h->status),
        .keep = conf->storage_ttl,
    };

    storable_judge(h, &rules, now - (s->w->loop.now.us - s->up_began) / 1000000, now, out);
}

/* min_uses: an object without a body counts under the key until the response is worth it. */
static bool asked_often(struct stream *s)
{
    int64_t now = s->w->loop.now.real_s, uses = 1;
    struct cache_meta meta = {
        .stored = now, .keep_until = now + COUNT_SECONDS, .flags = REUSE_COUNTER, .retry_at = 1
    };
    struct cache_hit hit;

    if (s->cache_config->min_uses <= 1)
        return true;
    asking_origin(s, &meta);
    if (cache_find(s->cache, s->cache_id, s->cache_key.p, s->cache_key.n, now, &hit)) {
        if (hit.meta->flags & REUSE_COUNTER) {
            uses = (int64_t)hit.meta->retry_at + 1;
            cache_update_put_off(&hit, uses);
        } else {
            uses = s->cache_config->min_uses;
        }
        cache_unpin(s->cache, &hit);
        return uses >= s->cache_config->min_uses;
    }
    struct cache_fill *fill =
        cache_fill_begin(s->cache, s->cache_id, s->cache_key.p, s->cache_key.n, &meta, "", 0, 0);
    if (fill) {
        cache_fill_yield(fill); /* another request may have stored the object meanwhile */
        cache_fill_commit(&fill);
    }
    return false;
}

/* --- the stored head ------------------------------------------------------------------------ */

/* The own lines, *own_n bytes of them, and those of the response, in scratch memory; p NULL where
 * they do not fit. */
static struct slice stored_head(struct stream *s, const struct head *h,
                                const struct storable *verdict, size_t *own_n)
{
    char *start = s->w->scratch, *end = start + WORKER_SCRATCH, *p = start;

    if (s->cache_config->strip_cache_tags)
        p = tags_keep(p, end, h);
    if (p && end - p > CODED_MARK && s->w->routes[s->route->index].encoded)
        p = coded_mark(s, p);
    if (!p || (size_t)(end - p) < s->snapshot.n)
        return (struct slice){ NULL, 0 };
    p = build_slice(p, s->snapshot);
    *own_n = (size_t)(p - start);
    for (int i = 0; i < h->fields_n; i++) {
        const struct field *f = &h->fields[i];
        if (!storable_field(verdict, f))
            continue;
        if ((size_t)(end - p) < f->name_n + f->value_n + 8u)
            return (struct slice){ NULL, 0 };
        p = build_field(p, slice_of(f->name, f->name_n), slice_of(f->value, f->value_n));
    }
    if (!head_field(h, FIELD_DATE) && end - p >= DATE_LINE) /* RFC 9110 section 6.6.1 */
        p = date_line(s->w->loop.now.real_s, p);
    return slice_of(start, (size_t)(p - start));
}

/* --- the fill ------------------------------------------------------------------------------- */

/* Whether the status speaks of the resource: most errors are about who asks, how, or how often. */
static bool tells_of_resource(int status)
{
    return (status < 400 && status != 206 && status != 304) || status == 404 || status == 410 ||
           status == 451;
}

/* What was stored is out of date, and nothing takes its place. What one request must not store says
 * nothing about what all others may have. */
static void drop_old(struct stream *s, int status)
{
    if (s->cache_status == STATS_REFRESH && s->head.method != METHOD_HEAD &&
        tells_of_resource(status) && !asking_fits(s, &s->cache_config->no_store))
        cache_purge(s->cache, s->fill_id);
}

/* They go to the origin all at once, as will those who come in a while; a failing origin gets
 * another chance soon. */
static void release_waiters(struct stream *s, int status)
{
    int64_t until = s->w->loop.now.real_s + (status < 500 ? COLLAPSING_PASS : 1);

    collapsing_end(s, CACHE_TICKET_PASSED, asking_fits(s, &s->cache_config->no_store) ? 0 : until);
}

static void begin_fill(struct stream *s, const struct head *h, const struct storable *verdict)
{
    struct cache_meta meta = { .status = (uint16_t)h->status };

    storable_meta(verdict, s->w->loop.now.real_s, &meta);
    asking_origin(s, &meta);
    meta.flags |= tags_any(h) ? REUSE_TAGGED : 0;
    if (!asking_place(s, h, meta.keep_until)) {
        s->cache_reason = "Vary names too much";
        release_waiters(s, h->status);
        return;
    }
    size_t own_n = 0;
    struct slice head = stored_head(s, h, verdict, &own_n);
    meta.private_n = (uint16_t)own_n;
    uint64_t hint = h->framing == FRAMING_LENGTH ? h->content_length : 0;
    if (head.p && own_n <= UINT16_MAX)
        s->fill = cache_fill_begin(s->cache, s->fill_id, s->fill_key.p, s->fill_key.n, &meta,
                                   head.p, head.n, hint);
    if (!s->fill) {
        s->cache_reason = "no room in the dictionary";
        release_waiters(s, h->status);
        return;
    }
    uint64_t expected =
        h->framing == FRAMING_NONE || h->framing == FRAMING_LENGTH ? h->content_length : UINT64_MAX;
    bool of_use = verdict->lifetime > verdict->age && !(verdict->flags & REUSE_VALIDATE);
    if (collapsing_offer(s, expected, of_use))
        return;
    cache_fill_abort(&s->fill);
    s->cache_reason = "another request stores it";
}

void storing_begin(struct stream *s, const struct head *h)
{
    struct storable verdict = { 0 };

    s->cache_reason = refusal(s, h);
    if (!s->cache_reason) {
        storing_judge(s, h, &verdict);
        s->cache_reason = verdict.refusal;
    }
    if (s->cache_reason) {
        drop_old(s, h->status);
        s->cache_status = STATS_BYPASS;
        release_waiters(s, h->status);
        return;
    }
    if (asked_often(s)) {
        begin_fill(s, h, &verdict);
    } else {
        s->cache_reason = "fewer than min_uses requests";
        collapsing_end(s, CACHE_TICKET_PASSED, 0);
    }
}

void storing_append(struct stream *s, struct slice run)
{
    uint64_t most = s->fill ? s->cache_config->max_object_size : 0;

    if (!s->fill)
        return;
    s->filled += run.n;
    if (most && s->filled > most)
        s->cache_reason = "larger than max_object_size";
    else if (cache_fill_append(s->fill, run.p, run.n))
        return;
    else
        s->cache_reason = "no room in the dictionary";
    release_waiters(s, 200);
    cache_fill_abort(&s->fill);
}

void storing_progress(struct stream *s)
{
    if (s->fill)
        cache_fill_progress(s->fill);
}

void storing_commit(struct stream *s)
{
    if (s->fill && !cache_fill_commit(&s->fill))
        s->cache_reason = "purged while it was stored";
}

void storing_abort(struct stream *s)
{
    if (s->fill)
        cache_fill_abort(&s->fill);
}
