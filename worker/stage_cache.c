/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The answer from shared memory, or a note that what the upstream says may be stored. The object is
 * pinned, not copied; whether it may be used is decided here, the arithmetic is in
 * http/freshness.h.
 */
#include "worker/http/cache_key.h"
#include "worker/http/freshness.h"
#include "worker/storing.h"
#include <stdio.h>

static enum stage_result bypass(struct stream *s, const char *reason)
{
    s->cache_status = STATS_BYPASS;
    s->cache_reason = reason;
    return STAGE_NEXT;
}

static const struct conf_proxy_cache *find_config(struct stream *s)
{
    const struct conf_chain *chain = s->route->chain;

    for (size_t i = 0; i < chain->links_n; i++) {
        if (chain->links[i].kind != CONF_PLUGIN_PROXY_CACHE)
            continue;
        s->cache_plugin = plugin_pick(&chain->links[i], s->consumer);
        return s->cache_plugin ? s->cache_plugin->config : NULL;
    }
    return NULL;
}

static bool listed_method(const struct conf_proxy_cache *conf, struct slice method)
{
    for (size_t i = 0; i < conf->request_method.n; i++)
        if (slice_equal(slice_of(conf->request_method.v[i].s, conf->request_method.v[i].n), method))
            return true;
    return false;
}

static struct slice folded(struct stream *s, struct slice text)
{
    struct slice copy = arena_copy(&s->arena, text);

    for (size_t i = 0; copy.p && i < copy.n; i++) {
        char *c = (char *)(uintptr_t)&copy.p[i];
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c | 0x20);
    }
    return copy.p ? copy : text;
}

static bool add_part(struct stream *s, struct cache_key_parts *parts, const char *what,
                     struct slice value)
{
    struct slice part = arena_print(&s->arena, "%s %.*s", what, (int)value.n, value.p);

    if (!part.p || parts->vary_n == CACHE_KEY_VARY_MAX)
        return false;
    parts->vary[parts->vary_n++] = part;
    return true;
}

/* What else the upstream is told of the URL that the client asked for, and may write into its
 * answer: the scheme, the port where Host is passed on, and what a trusted proxy says of them. The
 * usual values add nothing. */
static bool add_context(struct stream *s, struct cache_key_parts *parts)
{
    static const enum field_id told[] = { FIELD_X_FORWARDED_PROTO, FIELD_X_FORWARDED_HOST,
                                          FIELD_X_FORWARDED_PORT, FIELD_X_FORWARDED_PREFIX };
    char port[12];

    if (s->request.secure && !add_part(s, parts, "scheme", SLICE("https")))
        return false;
    if (s->route->preserve_host && s->head.host_port) {
        int n = snprintf(port, sizeof port, "%d", s->head.host_port);
        if (!add_part(s, parts, "port", slice_of(port, (size_t)n)))
            return false;
    }
    for (size_t i = 0; s->request.trusted && i < sizeof told / sizeof *told; i++) {
        struct slice value = field_value(head_field(&s->head, told[i]));
        if (value.n && !add_part(s, parts, field_name(told[i]).p, value))
            return false;
    }
    return true;
}

static bool vary_parts(struct stream *s, const struct conf_proxy_cache *conf,
                       struct cache_key_parts *parts)
{
    for (size_t i = 0; i < conf->vary_headers.n; i++) {
        struct slice name = slice_of(conf->vary_headers.v[i].s, conf->vary_headers.v[i].n);
        if (parts->vary_n == CACHE_KEY_VARY_MAX ||
            !storing_request_value(s, name, &parts->vary[parts->vary_n++]))
            return false;
    }
    if (conf->vary_query_params.n && parts->query.n) {
        char *chosen = arena_take(&s->arena, parts->query.n);
        ptrdiff_t n =
            chosen ? cache_key_query(parts->query, &conf->vary_query_params, chosen, parts->query.n)
                   : -1;
        if (n >= 0)
            parts->query = slice_of(chosen, (size_t)n);
    }
    parts->query_chosen = conf->vary_query_params.n > 0;
    return true;
}

/* The key's text goes to the arena: the fill needs it later. */
static bool make_key(struct stream *s, const struct conf_proxy_cache *conf)
{
    struct cache_key_parts parts = {
        .route_id = slice_of(s->route->id.s, s->route->id.n),
        .method = s->head.method == METHOD_HEAD ? SLICE("GET") : s->head.method_text,
        .host = s->request.host,
        .path = s->request.uri.path,
        .query = s->request.uri.query,
    };

    if (s->consumer)
        parts.consumer_id = slice_of(s->consumer->id.s, s->consumer->id.n);
    if (conf->ignore_uri_case) {
        parts.path = folded(s, parts.path);
        if (parts.query.p)
            parts.query = folded(s, parts.query);
        parts.case_folded = true;
    }
    if (!vary_parts(s, conf, &parts) || !add_context(s, &parts))
        return false;
    size_t room = 256 + parts.route_id.n + parts.consumer_id.n + parts.method.n + parts.host.n +
                  parts.path.n + parts.query.n;
    for (unsigned i = 0; i < parts.vary_n; i++)
        room += parts.vary[i].n + 8;
    char *key = arena_take(&s->arena, room);
    ptrdiff_t n = key ? cache_key_write(&parts, key, room) : -1;
    if (n < 0 || n > CACHE_KEY_MAX)
        return false;
    s->cache_key = slice_of(key, (size_t)n);
    cache_id(s->cache, key, (size_t)n, s->cache_id);
    return true;
}

/* May the pinned object answer this request? With cache_control the client's directives count as
 * well. */
static bool usable(struct stream *s, const struct cache_control *cc, bool authorized)
{
    const struct cache_meta *m = s->hit.meta;
    int64_t age = m->initial_age + s->w->loop.now.real_s - m->stored, left = m->fresh_for - age;

    if (!storing_fits(s, &s->hit) || (authorized && !(m->flags & STORING_AUTHORIZED)))
        return false;
    if (!s->cache_config->cache_control)
        return left > 0;
    if (cc->no_cache || cc->max_age == 0 || (cc->max_age != FRESHNESS_UNSET && age > cc->max_age))
        return false;
    if (cc->min_fresh != FRESHNESS_UNSET && left < cc->min_fresh)
        return false;
    if (left > 0)
        return true;
    return cc->max_stale_any || (cc->max_stale != FRESHNESS_UNSET && -left <= cc->max_stale);
}

static void read_directives(struct stream *s, struct cache_control *cc)
{
    freshness_clear(cc);
    if (!s->cache_config->cache_control)
        return;
    freshness_directives(&s->head, cc);
    const struct field *pragma = cc->any ? NULL : head_field(&s->head, FIELD_PRAGMA);
    if (pragma && slice_equal_nocase(field_value(pragma), SLICE("no-cache")))
        cc->no_cache = true;
}

static enum stage_result look_up(struct stream *s, const struct cache_control *cc)
{
    bool authorized = head_field(&s->head, FIELD_AUTHORIZATION) != NULL;

    s->cache_store = true;
    if (!cache_find(s->cache, s->cache_id, s->cache_key.p, s->cache_key.n, s->w->loop.now.real_s,
                    &s->hit)) {
        s->cache_status = STATS_MISS;
    } else if (usable(s, cc, authorized)) {
        s->cache_status = STATS_HIT;
        s->answer = ANSWER_CACHED;
        return STAGE_DONE;
    } else {
        s->cache_status = STATS_REFRESH;
        cache_unpin(s->cache, &s->hit);
        s->hit.entry = NULL;
    }
    if (!cc->only_if_cached)
        return STAGE_NEXT;
    s->cause = "only-if-cached";
    return stream_answer(s, 504, "The response is not in the cache");
}

enum stage_result stage_cache(struct stream *s)
{
    const struct conf_proxy_cache *conf;
    struct cache_control cc;

    if (!s->w->routes[s->route->index].cached || !(conf = find_config(s)))
        return STAGE_NEXT;
    s->cache_config = conf;
    s->cache_asked = true;
    s->cache = s->w->dicts[conf->dict];
    if (!listed_method(conf, s->head.method_text))
        return bypass(s, "method not in request_method");
    if (s->head.upgrade)
        return bypass(s, "protocol upgrade");
    if (!s->intake.done && (s->head.method == METHOD_GET || s->head.method == METHOD_HEAD))
        return bypass(s, "request has a body"); /* an upstream may act on it, the key does not */
    read_directives(s, &cc);
    if (cc.no_store)
        return bypass(s, "request no-store");
    if (!s->cache || !make_key(s, conf))
        return bypass(s, "no key");
    return look_up(s, &cc);
}
