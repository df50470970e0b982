/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys and heads of stored objects were made from what clients and upstreams sent. They are read
 * here by bounds, and shown as JSON text, never as they are.
 */
#include "master/control/api_object.h"
#include "conf/hex.h"
#include "conf/plugin.h"
#include "master/control/api_lifetime.h"
#include "shm/cache_report.h"
#include "worker/http/build.h"
#include "worker/http/cache_key.h"
#include "worker/http/labels.h"
#include "worker/http/lines.h"
#include "worker/http/reuse.h"
#include "worker/http/tags.h"
#include "worker/http/uri.h"
#include <stdio.h>

bool api_object_url(struct slice text, struct api_object_url *url)
{
    struct uri uri;
    int port;

    if (slice_begins_nocase(text, SLICE("http://")))
        text = slice_from(text, 7);
    else if (slice_begins_nocase(text, SLICE("https://")))
        text = slice_from(text, 8);
    size_t host_n = 0;
    while (host_n < text.n && text.p[host_n] != '/' && text.p[host_n] != '?' &&
           text.p[host_n] != '#')
        host_n++;
    struct slice host = slice_of(text.p, host_n), target = slice_from(text, host_n);
    const char *fragment = target.n > 0 ? memchr(target.p, '#', target.n) : NULL;
    if (fragment != NULL)
        target.n = (size_t)(fragment - target.p);
    if (host.n == 0 || host.n > sizeof url->host_text || target.n > sizeof url->path_text - 1)
        return false;
    if (!uri_host(host, url->host_text, sizeof url->host_text, &url->host, &port))
        return false;
    /* "host?x" asks for "/?x" */
    struct slice query = target;
    if (target.n == 0 || target.p[0] == '?')
        target = SLICE("/");
    if (!uri_parse(target, url->path_text, sizeof url->path_text, &uri))
        return false;
    url->path = uri.path;
    url->query = query.n > 0 && query.p[0] == '?' ? slice_from(query, 1) : uri.query;
    return true;
}

static bool ends_with_dots(struct slice path)
{
    while (path.n > 0 && path.p[path.n - 1] == '.')
        path.n--;
    return path.n > 0 && path.p[path.n - 1] == '/';
}

size_t api_object_prefix(struct slice path, char *out, size_t cap)
{
    const char *mark = path.n > 0 ? memchr(path.p, '?', path.n) : NULL;
    struct slice end = mark != NULL ? slice_from(path, (size_t)(mark - path.p)) : SLICE("");
    struct slice begin = slice_of(path.p, path.n - end.n);
    struct uri uri;

    /* a "/" at the end is one that more follows, and "/." is not */
    bool whole = mark != NULL || (begin.n > 0 && begin.p[begin.n - 1] == '/');
    if ((!whole && ends_with_dots(begin)) || !uri_parse(begin, out, cap - end.n, &uri))
        uri.path = begin;
    memmove(out, uri.path.p, uri.path.n);
    memcpy(out + uri.path.n, end.p, end.n);
    return uri.path.n + end.n;
}

bool api_object_find(struct api *api, const uint8_t id[CACHE_ID_SIZE], uint32_t plugin,
                     size_t *dict, struct cache_hit *hit)
{
    for (size_t i = 0; i < api->heritage->conf->shared_dicts_n; i++) {
        if (api->caches[i] == NULL || !cache_find(api->caches[i], id, NULL, 0, api->now, hit))
            continue;
        *dict = i;
        if (plugin == 0 || hit->meta->plugin == plugin)
            return true;
        cache_unpin(api->caches[i], hit);
    }
    return false;
}

bool api_object_id(struct slice text, uint8_t id[CACHE_ID_SIZE])
{
    size_t digits = 0;

    memset(id, 0, CACHE_ID_SIZE);
    for (size_t i = 0; i < text.n; i++) {
        int digit = hex_value(text.p[i]);
        if (digit < 0 && text.p[i] == '-')
            continue;
        if (digit < 0 || digits == 2 * CACHE_ID_SIZE)
            return false;
        id[digits / 2] = (uint8_t)(id[digits / 2] << 4 | digit);
        digits++;
    }
    return digits == 2 * CACHE_ID_SIZE;
}

bool api_object_is_at(const struct cache_hit *hit, const struct api_object_url *url)
{
    struct cache_key_parts parts;

    return cache_key_read(hit->key, hit->key_n, &parts) &&
           cache_key_matches(&parts, url->host, url->path, url->query);
}

static json_t *hex_json(const uint8_t *p, size_t n)
{
    char text[2 * CACHE_ID_SIZE];

    build_octets(text, p, n);
    return json_stringn(text, 2 * n);
}

/* The configured name for an id, where it still has one. */
static json_t *route_json(const struct conf *conf, struct slice id)
{
    for (size_t i = 0; i < conf->routes_n; i++)
        if (slice_equal(slice_of(conf->routes[i].id.s, conf->routes[i].id.n), id) &&
            conf->routes[i].name.n > 0)
            return api_conf_text(conf->routes[i].name);
    return id.p != NULL ? api_text(id.p, id.n) : json_null();
}

static json_t *consumer_json(const struct conf *conf, struct slice id)
{
    for (size_t i = 0; id.p != NULL && i < conf->consumers_n; i++)
        if (slice_equal(slice_of(conf->consumers[i].id.s, conf->consumers[i].id.n), id) &&
            conf->consumers[i].username.n > 0)
            return api_conf_text(conf->consumers[i].username);
    return id.p != NULL ? api_text(id.p, id.n) : json_null();
}

static json_t *slice_json(struct slice text)
{
    return text.p != NULL ? api_text(text.p, text.n) : json_null();
}

/* Host, path and query as one would write them. */
static json_t *url_json(const struct cache_key_parts *parts)
{
    char text[CACHE_KEY_MAX + 2];
    size_t n = 0;
    const struct slice pieces[] = { parts->host, parts->path,
                                    parts->query.p != NULL ? SLICE("?") : SLICE(""), parts->query };

    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        if (pieces[i].n > sizeof text - n)
            break;
        if (pieces[i].n > 0)
            memcpy(text + n, pieces[i].p, pieces[i].n);
        n += pieces[i].n;
    }
    return api_text(text, n);
}

static void add_request(const struct api *api, json_t *o, const struct cache_hit *hit)
{
    struct cache_key_parts parts;
    json_t *vary = json_array();

    if (!cache_key_read(hit->key, hit->key_n, &parts)) {
        json_object_set_new(o, "url", api_text(hit->key, hit->key_n));
        json_decref(vary);
        return;
    }
    for (unsigned i = 0; i < parts.vary_n; i++)
        json_array_append_new(vary, slice_json(parts.vary[i]));
    json_object_set_new(o, "method", slice_json(parts.method));
    json_object_set_new(o, "url", url_json(&parts));
    json_object_set_new(o, "route", route_json(api->heritage->conf, parts.route_id));
    json_object_set_new(o, "consumer", consumer_json(api->heritage->conf, parts.consumer_id));
    json_object_set_new(o, "vary", vary);
}

/* A second line with a name makes an array of its values. */
static void add_field(json_t *o, struct slice name, struct slice value)
{
    char key[256];

    if (name.n == 0 || name.n >= sizeof key || memchr(name.p, '\0', name.n) != NULL)
        return;
    memcpy(key, name.p, name.n);
    key[name.n] = '\0';
    json_t *before = json_object_get(o, key), *text = api_text(value.p, value.n);
    if (before == NULL) {
        json_object_set_new(o, key, text);
    } else if (json_is_array(before)) {
        json_array_append_new(before, text);
    } else {
        json_t *both = json_array();
        json_array_append(both, before);
        json_array_append_new(both, text);
        json_object_set_new(o, key, both);
    }
}

static json_t *fields_json(const char *head, size_t n)
{
    json_t *o = json_object();
    struct slice rest = { head, n };

    while (rest.n > 0) {
        const char *stop = memmem(rest.p, rest.n, "\r\n", 2);
        struct slice line = slice_of(rest.p, stop != NULL ? (size_t)(stop - rest.p) : rest.n);
        const char *colon = line.n > 0 ? memchr(line.p, ':', line.n) : NULL;
        if (colon != NULL) {
            struct slice value = slice_from(line, (size_t)(colon - line.p) + 1);
            while (value.n > 0 && value.p[0] == ' ')
                value = slice_from(value, 1);
            add_field(o, slice_of(line.p, (size_t)(colon - line.p)), value);
        }
        rest = slice_from(rest, line.n + (stop != NULL ? 2 : 0));
    }
    return o;
}

static json_t *plugin_json(const struct conf *conf, uint32_t label)
{
    for (size_t i = 0; i < conf->plugins_n; i++) {
        struct conf_text id = conf->plugins[i].id;
        if (labels_id(slice_of(id.s, id.n)) == label)
            return api_conf_text(id);
    }
    return json_null(); /* it is not configured any more */
}

static json_t *tags_json(const struct cache_hit *hit)
{
    struct tags tags = tags_of(slice_of(hit->head, hit->head_n));
    struct slice tag;
    json_t *list = json_array();

    while (json_array_size(list) < TAGS_MAX && tags_next(&tags, &tag))
        json_array_append_new(list, api_text(tag.p, tag.n));
    return list;
}

static struct slice sent_lines(const struct cache_hit *hit)
{
    size_t own = hit->meta->private_n;

    return slice_of(hit->head + own, hit->head_n - own);
}

/* What requests have to say in the fields that Vary names: ":name: value", "!name: " for absent. */
static json_t *selected_json(struct slice own)
{
    json_t *o = json_object();

    while (own.n > 1) {
        const char *stop = memmem(own.p, own.n, "\r\n", 2);
        struct slice line = slice_of(own.p, stop != NULL ? (size_t)(stop - own.p) : own.n);
        const char *colon = line.n > 1 ? memchr(line.p + 1, ':', line.n - 1) : NULL;
        if (colon != NULL) {
            struct slice value = field_trim(slice_from(line, (size_t)(colon - line.p) + 1));
            add_field(o, slice_of(line.p + 1, (size_t)(colon - line.p) - 1), value);
        }
        own = slice_from(own, line.n + (stop != NULL ? 2 : 0));
    }
    return o;
}

/* The values of ETag and Last-Modified that a refresh asks with; null: it has none. */
static json_t *validators_json(const struct cache_hit *hit)
{
    struct slice lines = sent_lines(hit);
    json_t *o = json_object();
    bool etag = (hit->meta->flags & REUSE_ETAG) != 0;
    bool modified = (hit->meta->flags & REUSE_MODIFIED) != 0;

    json_object_set_new(o, "etag",
                        etag ? slice_json(lines_find(lines, SLICE("ETag"))) : json_null());
    json_object_set_new(o, "last_modified",
                        modified ? slice_json(lines_find(lines, SLICE("Last-Modified")))
                                 : json_null());
    return o;
}

/* What it takes: overhead is the entry, and what chunks leave over. */
static json_t *sizes_json(const struct cache *cache, const struct cache_hit *hit)
{
    uint64_t net = hit->key_n + hit->head_n + hit->body_n, all = cache_report_object(cache, hit);
    json_t *o = json_object();

    json_object_set_new(o, "key", json_integer(hit->key_n));
    json_object_set_new(o, "head", json_integer(hit->head_n));
    json_object_set_new(o, "body", json_integer((json_int_t)hit->body_n));
    json_object_set_new(o, "overhead", json_integer((json_int_t)(all > net ? all - net : 0)));
    json_object_set_new(o, "total", json_integer((json_int_t)all));
    return o;
}

static void add_details(const struct api *api, json_t *o, size_t dict, const struct cache_hit *hit)
{
    struct slice own = tags_behind(slice_of(hit->head, hit->meta->private_n));
    struct slice sent = sent_lines(hit);

    json_object_set_new(o, "freshness", api_lifetime_json(hit->meta, hit->soft, api->now));
    json_object_set_new(o, "validators", validators_json(hit));
    json_object_set_new(o, "sizes", sizes_json(api->caches[dict], hit));
    json_object_set_new(o, "selected_by", selected_json(own));
    json_object_set_new(o, "headers", fields_json(sent.p, sent.n));
}

json_t *api_object_json(const struct api *api, size_t dict, const uint8_t id[CACHE_ID_SIZE],
                        const struct cache_hit *hit, bool details)
{
    const struct cache_meta *meta = hit->meta;
    int64_t age = meta->initial_age + api->now - meta->stored, ttl = meta->fresh_for - age;
    json_t *o = json_object();

    json_object_set_new(o, "key", hex_json(id, CACHE_ID_SIZE));
    json_object_set_new(o, "dict", api_conf_text(api->heritage->conf->shared_dicts[dict].name));
    add_request(api, o, hit);
    json_object_set_new(o, "plugin", plugin_json(api->heritage->conf, meta->plugin));
    json_object_set_new(o, "status", json_integer(meta->status));
    json_object_set_new(o, "stored", json_integer(meta->stored));
    json_object_set_new(o, "age", json_integer(age));
    json_object_set_new(o, "ttl", json_integer(hit->soft && ttl > 0 ? 0 : ttl));
    json_object_set_new(o, "kept_for", json_integer(meta->keep_until - api->now));
    json_object_set_new(o, "size", json_integer((json_int_t)hit->body_n));
    json_object_set_new(o, "hits", json_integer((json_int_t)hit->hits));
    json_object_set_new(o, "tags", tags_json(hit));
    if (details)
        add_details(api, o, dict, hit);
    return o;
}
