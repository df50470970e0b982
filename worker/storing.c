/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decides on storing, and feeds the fill. What a response's Vary names is kept with the object as
 * lines of its own in front of the head (":name: value"), so that a request with other values is
 * never answered with it.
 */
#include "worker/storing.h"

#include "worker/http/build.h"
#include "worker/http/date.h"
#include "worker/http/freshness.h"
#include "worker/http/list.h"
#include "worker/http/media.h"

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

/* --- may it be stored ----------------------------------------------------------------------- */

static bool varies_on_everything(const struct head *h)
{
    for (const struct field *f = head_field(h, FIELD_VARY); f; f = head_next(h, f)) {
        struct slice rest = field_value(f);
        while (rest.n)
            if (slice_equal(field_trim(list_cut(&rest, ',')), SLICE("*")))
                return true;
    }
    return false;
}

/* On what differs from client to client and is not in the request that we look at. */
static bool varies_on_ours(const struct head *h)
{
    for (const struct field *f = head_field(h, FIELD_VARY); f; f = head_next(h, f)) {
        struct slice rest = field_value(f);
        while (rest.n) {
            struct slice name = field_trim(list_cut(&rest, ','));
            enum field_id id = field_lookup(name.p, name.n);
            if (id != FIELD_HOST && field_flags(id) & FIELD_OURS)
                return true;
        }
    }
    return false;
}

/* Why not; NULL: it may. */
static const char *refusal(const struct stream *s, const struct head *h,
                           const struct cache_control *cc)
{
    const struct conf_proxy_cache *conf = s->cache_config;
    bool authorized = head_field(&s->head, FIELD_AUTHORIZATION) != NULL;

    if (s->head.method == METHOD_HEAD)
        return "a HEAD response has no body to store";
    if (!listed_status(conf, h->status))
        return "status not in response_code";
    if (h->status == 206 || h->status == 304)
        return "response is a part, or none, of what was asked for";
    if (!listed_type(conf, h))
        return "content type not in content_type";
    if (cc->no_store)
        return "response no-store";
    if (cc->private_ || cc->private_fields)
        return "response private";
    if (head_field(h, FIELD_SET_COOKIE) && !conf->store_set_cookie)
        return "response sets a cookie";
    if (authorized && !cc->public_ && !cc->must_revalidate && cc->s_maxage == FRESHNESS_UNSET)
        return "request has Authorization";
    if (varies_on_everything(h))
        return "Vary: *";
    if (varies_on_ours(h))
        return "Vary names a field that the gateway makes";
    if (conf->cache_control && (cc->no_cache || cc->no_cache_fields))
        return "response no-cache";
    return NULL;
}

static bool set_times(struct stream *s, const struct head *h, const struct cache_control *cc,
                      struct cache_meta *meta)
{
    const struct conf_proxy_cache *conf = s->cache_config;
    int64_t now = s->w->loop.now.real_s, lifetime = FRESHNESS_UNSET;

    meta->stored = now;
    if (conf->cache_control) {
        int64_t requested = now - (s->w->loop.now.us - s->up_began) / 1000000;
        meta->initial_age = (uint32_t)freshness_initial_age(h, requested, now);
        lifetime = freshness_lifetime(h, cc, now);
    }
    if (lifetime == FRESHNESS_UNSET) {
        lifetime = conf->cache_ttl;
        meta->initial_age = 0;
    }
    meta->fresh_for = (uint32_t)lifetime;
    int64_t left = lifetime - meta->initial_age;
    meta->keep_until = now + (conf->storage_ttl ? conf->storage_ttl : left);
    return meta->keep_until > now;
}

/* --- the stored head ------------------------------------------------------------------------ */

/* The next line with that name that is forwarded, after `f` or, NULL, from the first on. */
static const struct field *next_line(const struct stream *s, const struct field *f,
                                     struct slice name)
{
    f = f ? head_next(&s->head, f) : head_find(&s->head, name);
    while (f && f->drop)
        f = head_next(&s->head, f);
    return f;
}

bool storing_request_value(struct stream *s, struct slice name, struct slice *value)
{
    for (const struct extra_field *e = s->request.extra; e; e = e->next)
        if (slice_equal_nocase(e->name, name)) {
            *value = e->value;
            return true;
        }
    const struct field *f = next_line(s, NULL, name);
    *value = field_value(f);
    while (f && (f = next_line(s, f, name))) {
        *value = arena_print(&s->arena, "%.*s, %.*s", (int)value->n, value->p, (int)f->value_n,
                             f->value);
        if (!value->p)
            return false;
    }
    return true;
}

static bool stores(const struct field *f)
{
    return !f->drop && !(field_flags((enum field_id)f->id) & FIELD_HOP) &&
           f->id != FIELD_CONTENT_LENGTH && f->id != FIELD_AGE;
}

static char *put_vary(char *p, const char *end, struct stream *s, const struct head *h)
{
    for (const struct field *f = head_field(h, FIELD_VARY); f; f = head_next(h, f)) {
        struct slice rest = field_value(f);
        while (rest.n) {
            struct slice name = field_trim(list_cut(&rest, ',')), value;
            if (name.n == 0)
                continue;
            if (!storing_request_value(s, name, &value) || (size_t)(end - p) < name.n + value.n + 8)
                return NULL;
            *p++ = value.p ? ':' : '!';
            p = build_field(p, name, value);
        }
    }
    return p;
}

/* The own lines and those of the response, in scratch memory; n 0 where they do not fit. */
static struct slice stored_head(struct stream *s, const struct head *h, uint16_t *private_n)
{
    char *start = s->w->scratch, *end = start + WORKER_SCRATCH;
    char *p = put_vary(start, end, s, h);

    if (!p || p - start > UINT16_MAX)
        return (struct slice){ NULL, 0 };
    *private_n = (uint16_t)(p - start);
    for (int i = 0; i < h->fields_n; i++) {
        const struct field *f = &h->fields[i];
        if (!stores(f))
            continue;
        if ((size_t)(end - p) < f->name_n + f->value_n + 8u)
            return (struct slice){ NULL, 0 };
        p = build_field(p, slice_of(f->name, f->name_n), slice_of(f->value, f->value_n));
    }
    if (!head_field(h, FIELD_DATE) && end - p > DATE_LENGTH + 8) { /* RFC 9110 section 6.6.1 */
        p = build_slice(p, SLICE("Date: "));
        date_format(s->w->loop.now.real_s, p);
        p = build_slice(p + DATE_LENGTH, SLICE("\r\n"));
    }
    return slice_of(start, (size_t)(p - start));
}

bool storing_fits(struct stream *s, const struct cache_hit *hit)
{
    const char *p = hit->head, *end = p + hit->meta->private_n, *stop;

    for (; p < end && (stop = memchr(p, '\r', (size_t)(end - p))); p = stop + 2) {
        struct slice value = slice_of(p + 1, (size_t)(stop - p - 1)), name = list_cut(&value, ':'),
                     now;
        if (!storing_request_value(s, name, &now) || (now.p != NULL) != (*p == ':') ||
            !slice_equal(field_trim(value), now))
            return false;
    }
    return true;
}

/* --- the fill ------------------------------------------------------------------------------- */

/* The 16 bytes of a UUID's text. */
static void read_uuid(const struct conf_text *text, uint8_t out[16])
{
    size_t n = 0;

    for (size_t i = 0; i < text->n && n < 32; i++) {
        int c = text->s[i] | 0x20, digit = c >= 'a' ? c - 'a' + 10 : text->s[i] - '0';
        if (text->s[i] == '-')
            continue;
        out[n / 2] = (uint8_t)(out[n / 2] << 4 | (digit & 15));
        n++;
    }
}

void storing_begin(struct stream *s, const struct head *h)
{
    struct cache_control cc;
    struct cache_meta meta = { .status = (uint16_t)h->status };

    freshness_directives(h, &cc);
    s->cache_reason = refusal(s, h, &cc);
    if (!s->cache_reason && !set_times(s, h, &cc, &meta))
        s->cache_reason = "response is stale on arrival";
    if (s->cache_reason) {
        s->cache_status = STATS_BYPASS;
        return;
    }
    if (head_field(&s->head, FIELD_AUTHORIZATION) || cc.public_ || cc.s_maxage != FRESHNESS_UNSET ||
        cc.must_revalidate)
        meta.flags |= STORING_AUTHORIZED;
    read_uuid(&s->cache_plugin->id, meta.scope);
    struct slice head = stored_head(s, h, &meta.private_n);
    uint64_t hint = h->framing == FRAMING_LENGTH ? h->content_length : 0;
    if (head.p)
        s->fill = cache_fill_begin(s->cache, s->cache_id, s->cache_key.p, s->cache_key.n, &meta,
                                   head.p, head.n, hint);
    if (!s->fill)
        s->cache_reason = "no room in the dictionary";
}

void storing_append(struct stream *s, struct slice run)
{
    if (s->fill && !cache_fill_append(s->fill, run.p, run.n)) {
        cache_fill_abort(&s->fill);
        s->cache_reason = "no room in the dictionary";
    }
}

void storing_commit(struct stream *s)
{
    if (s->fill)
        cache_fill_commit(&s->fill);
}

void storing_abort(struct stream *s)
{
    if (s->fill)
        cache_fill_abort(&s->fill);
}
