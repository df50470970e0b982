/* SPDX-License-Identifier: Apache-2.0 */
/*
 * API: purging. What is named becomes labels (http/labels.h), which each dictionary marks in a few
 * stores, however much it holds: the reply says how long that took. Counting what is reached means
 * a walk, so that is done on request, for a dry run, and in slices: nobody waits for it. Kong's
 * paths for one object and for all answer as Kong's do.
 */
#include "master/control/api_object.h"
#include "worker/http/reuse.h"
#include "worker/http/uri.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { SLICE_BUCKETS = 512 };
enum by { BY_NOTHING, BY_KEY, BY_URL, BY_TAG, BY_PREFIX, BY_HOST, BY_ROUTE, BY_SERVICE, BY_ALL };

static const struct {
    const char *name;
    enum by by;
} kinds[] = {
    { "key", BY_KEY },   { "url", BY_URL },     { "tag", BY_TAG },         { "prefix", BY_PREFIX },
    { "host", BY_HOST }, { "route", BY_ROUTE }, { "service", BY_SERVICE }, { "all", BY_ALL },
};

struct order {
    struct api_job job; /* of a dry run */
    struct api *api;
    size_t at_dict;
    uint64_t at; /* where the walk of that dictionary goes on */
    enum by by;
    const char *name; /* of `by` */
    char value[API_PARAMETER_MAX], dict[256];
    bool one_dict, soft, dry_run;
    /* what the value means */
    uint8_t id[CACHE_ID_SIZE];
    struct api_object_url url;
    struct slice text;
    char text_room[4 * API_PARAMETER_MAX]; /* an escape takes three bytes */
    /* what came of it */
    bool counted;
    uint64_t objects, bytes;
    double began, us;
};

/* --- what is asked -------------------------------------------------------------------------- */

/* False: there are two already. */
static bool choose(struct order *o, const char *name, enum by by)
{
    bool first = o->by == BY_NOTHING;

    o->by = by;
    o->name = name;
    return first;
}

static bool copy(const char *from, char *to, size_t cap)
{
    size_t n = from != NULL ? strlen(from) : cap;

    if (n >= cap)
        return false;
    memcpy(to, from, n + 1);
    return true;
}

static const char form[] =
    "One of key, url, tag, prefix, host, route, service must be there, or all: true; soft, dry_run "
    "and dict may be";

static bool take_member(struct order *o, const char *name, const json_t *value)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strcmp(name, kinds[i].name) != 0)
            continue;
        if (!choose(o, kinds[i].name, kinds[i].by))
            return false;
        return kinds[i].by == BY_ALL ? json_is_true(value)
                                     : copy(json_string_value(value), o->value, sizeof o->value);
    }
    bool *flag = strcmp(name, "soft") == 0      ? &o->soft
                 : strcmp(name, "dry_run") == 0 ? &o->dry_run
                                                : NULL;
    if (flag != NULL) {
        *flag = json_is_true(value);
        return json_is_boolean(value);
    }
    o->one_dict = true;
    return strcmp(name, "dict") == 0 && copy(json_string_value(value), o->dict, sizeof o->dict);
}

/* NULL, or what is wrong. */
static const char *read_body(const struct api_request *request, struct order *o)
{
    json_t *body = json_loadb(request->body.p != NULL ? request->body.p : "", request->body.n,
                              JSON_REJECT_DUPLICATES, NULL);
    bool good = json_is_object(body);

    for (void *at = json_object_iter(body); at != NULL && good;
         at = json_object_iter_next(body, at))
        good = take_member(o, json_object_iter_key(at), json_object_iter_value(at));
    json_decref(body);
    return good && o->by != BY_NOTHING ? NULL : form;
}

static bool truth(const char *text, bool *out)
{
    *out = strcmp(text, "1") == 0 || strcmp(text, "true") == 0;
    return *out || strcmp(text, "0") == 0 || strcmp(text, "false") == 0;
}

static bool take_parameter(const struct api_request *request, struct order *o, struct slice name)
{
    char text[16];

    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        bool all = true;
        if (slice_equal(name, slice_of(kinds[i].name, strlen(kinds[i].name))))
            return choose(o, kinds[i].name, kinds[i].by) &&
                   api_parameter(request, kinds[i].name, o->value, sizeof o->value) &&
                   (kinds[i].by != BY_ALL || (truth(o->value, &all) && all));
    }
    if (slice_equal(name, SLICE("soft")))
        return api_parameter(request, "soft", text, sizeof text) && truth(text, &o->soft);
    if (slice_equal(name, SLICE("dry_run")))
        return api_parameter(request, "dry_run", text, sizeof text) && truth(text, &o->dry_run);
    o->one_dict = true;
    return slice_equal(name, SLICE("dict")) &&
           api_parameter(request, "dict", o->dict, sizeof o->dict);
}

/* What is not understood purges nothing, least of all everything. */
static const char *read_query(const struct api_request *request, struct order *o)
{
    struct slice rest = request->query, name, value;

    while (rest.p != NULL && uri_query_next(&rest, &name, &value))
        if (!take_parameter(request, o, name))
            return form;
    if (o->by == BY_NOTHING)
        choose(o, "all", BY_ALL);
    return NULL;
}

/* --- what it means -------------------------------------------------------------------------- */

/* "[scheme://]host[:port]/..." or "/...": host and path as keys have them. */
static const char *read_prefix(struct order *o)
{
    const char *text = o->value, *scheme = strstr(text, "://"), *slash;
    struct slice host = SLICE("");
    int port;

    if (scheme != NULL && strchr(text, '/') == scheme + 1)
        text = scheme + 3;
    if ((slash = strchr(text, '/')) == NULL)
        return "prefix has no \"/\": it is a path's beginning, or a host and that";
    if (slash > text && !uri_host(slice_of(text, (size_t)(slash - text)), o->text_room,
                                  API_PARAMETER_MAX, &host, &port))
        return "prefix begins with what is no host";
    memmove(o->text_room, host.p, host.n);
    size_t n = api_object_prefix(slice_of(slash, strlen(slash)), o->text_room + host.n,
                                 sizeof o->text_room - host.n);
    o->text = slice_of(o->text_room, host.n + n);
    return NULL;
}

static const char *read_host(struct order *o)
{
    struct slice text = slice_of(o->value, strlen(o->value));
    int port;

    return uri_host(text, o->text_room, sizeof o->text_room, &o->text, &port) ? NULL
                                                                              : "host is no host";
}

static bool is_called(const char *text, struct conf_text name, struct conf_text id)
{
    return (name.n > 0 && strcmp(text, name.s) == 0) || strcasecmp(text, id.s) == 0;
}

/* The id; that of a route or service which is not configured any more can be told itself. */
static const char *read_entity(const struct conf *conf, struct order *o)
{
    uint8_t id[CACHE_ID_SIZE];

    o->text = slice_of(o->value, strlen(o->value));
    for (size_t i = 0; o->by == BY_ROUTE && i < conf->routes_n; i++)
        if (is_called(o->value, conf->routes[i].name, conf->routes[i].id)) {
            o->text = slice_of(conf->routes[i].id.s, conf->routes[i].id.n);
            return NULL;
        }
    for (size_t i = 0; o->by == BY_SERVICE && i < conf->services_n; i++)
        if (is_called(o->value, conf->services[i].name, conf->services[i].id)) {
            o->text = slice_of(conf->services[i].id.s, conf->services[i].id.n);
            return NULL;
        }
    if (api_object_id(o->text, id))
        return NULL;
    return o->by == BY_ROUTE ? "No route has that name" : "No service has that name";
}

/* NULL, or what is wrong with the value. */
static const char *understand(const struct api *api, struct order *o)
{
    o->text = slice_of(o->value, strlen(o->value));
    switch (o->by) {
    case BY_KEY:
        return api_object_id(o->text, o->id) ? NULL : "key is not 32 hex digits";
    case BY_URL:
        return api_object_url(o->text, &o->url) ? NULL : "url is not a URL with a host";
    case BY_PREFIX:
        return read_prefix(o);
    case BY_HOST:
        return read_host(o);
    case BY_ROUTE:
    case BY_SERVICE:
        return read_entity(api->heritage->conf, o);
    default:
        return NULL;
    }
}

static bool label(const struct api *api, const struct cache *cache, const struct order *o,
                  struct labels *out)
{
    switch (o->by) {
    case BY_KEY:
        labels_key(cache, o->id, out);
        return true;
    case BY_URL:
        labels_url(cache, &api->queries, o->url.host, o->url.path, o->url.query, out);
        return true;
    case BY_TAG:
        return labels_tags(cache, o->text, out);
    case BY_PREFIX:
        return labels_prefix(cache, o->text, out);
    case BY_HOST:
        labels_host(cache, o->text, out);
        return true;
    case BY_ROUTE:
        labels_route(cache, o->text, out);
        return true;
    case BY_SERVICE:
        labels_service(cache, o->text, out);
        return true;
    default:
        labels_all(out);
        return true;
    }
}

/* --- doing it ------------------------------------------------------------------------------- */

struct census {
    const struct cache *cache;
    const struct labels *labels;
    struct order *order;
};

static bool count_object(void *arg, const uint8_t id[CACHE_ID_SIZE], const struct cache_hit *hit)
{
    struct census *c = arg;

    if (!(hit->meta->flags & REUSE_NO_RESPONSE) &&
        purges_carries(c->cache, id, hit, c->labels->v, c->labels->n)) {
        c->order->objects++;
        c->order->bytes += hit->key_n + hit->head_n + hit->body_n;
    }
    return true;
}

static bool is_there(const struct api *api, struct cache *cache, const uint8_t *id)
{
    struct cache_hit hit;

    if (!cache_find(cache, id, NULL, 0, api->now, &hit))
        return false;
    cache_unpin(cache, &hit);
    return true;
}

/* What is found without a walk is counted, and its memory given back at once. */
static void purge(const struct api *api, struct cache *cache, const struct labels *labels,
                  struct order *o)
{
    if (o->by == BY_KEY) {
        o->counted = true;
        o->objects += is_there(api, cache, o->id);
    }
    if (o->by == BY_ALL && !o->soft) {
        o->counted = true;
        o->objects += cache_purge_all(cache);
        return;
    }
    (void)purges_mark(cache, labels->v, labels->n, o->soft ? PURGES_SOFT : PURGES_HARD);
    if (o->by == BY_KEY && !o->soft)
        (void)cache_purge(cache, o->id);
}

static double now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* NULL, or what is wrong. */
static const char *check(const struct api *api, struct order *o)
{
    const struct conf *conf = api->heritage->conf;
    const char *wrong = understand(api, o);
    bool known = !o->one_dict;
    struct labels labels;

    for (size_t i = 0; i < conf->shared_dicts_n && wrong == NULL; i++) {
        known |= strcmp(o->dict, conf->shared_dicts[i].name.s) == 0;
        if (api_dict_is(api, i, o->dict) && !label(api, api->caches[i], o, &labels))
            wrong = "tag is no list of tags that short";
    }
    o->began = now_us();
    return wrong != NULL || known ? wrong : "No shared dictionary has that name";
}

/* What check() has passed. */
static void carry_out(const struct api *api, struct order *o)
{
    struct labels labels;

    for (size_t i = 0; i < api->heritage->conf->shared_dicts_n; i++)
        if (api_dict_is(api, i, o->dict) && label(api, api->caches[i], o, &labels))
            purge(api, api->caches[i], &labels, o);
    o->us = now_us() - o->began;
}

/* --- saying it ------------------------------------------------------------------------------ */

static void audit(const struct api_request *request, const struct order *o)
{
    if (!o->dry_run)
        api_audit(request, "purge %s=%s%s us=%.1f", o->name, o->by == BY_ALL ? "true" : o->value,
                  o->soft ? " soft" : "", o->us);
}

static json_t *told(const struct order *o)
{
    json_t *value = json_object();

    json_object_set_new(value, "by", json_string(o->name));
    if (o->by != BY_ALL)
        json_object_set_new(value, "value", api_text(o->value, strlen(o->value)));
    json_object_set_new(value, "soft", json_boolean(o->soft));
    json_object_set_new(value, "dry_run", json_boolean(o->dry_run));
    json_object_set_new(value, o->dry_run ? "objects" : "purged",
                        o->counted ? json_integer((json_int_t)o->objects) : json_null());
    if (o->dry_run)
        json_object_set_new(value, "bytes", json_integer((json_int_t)o->bytes));
    json_object_set_new(value, "us", json_real(o->us));
    return value;
}

/* --- a dry run ------------------------------------------------------------------------------ */

static bool count_some(struct api_job *job, struct api_reply *reply)
{
    struct order *o = (struct order *)job;
    struct api *api = o->api;
    struct labels labels;

    for (; o->at_dict < api->heritage->conf->shared_dicts_n; o->at_dict++, o->at = 0) {
        struct cache *cache = api->caches[o->at_dict];
        if (api_dict_is(api, o->at_dict, o->dict) && label(api, cache, o, &labels) &&
            cache_walk_some(cache, api->now, &o->at, SLICE_BUCKETS, count_object,
                            &(struct census){ cache, &labels, o }))
            return false;
    }
    o->counted = true;
    o->us = now_us() - o->began;
    api_reply_json(reply, 200, told(o));
    return true;
}

static void drop(struct api_job *job)
{
    free(job);
}

/* --- calls ---------------------------------------------------------------------------------- */

/* Takes over `o`. */
static void answer(struct api *api, const struct api_request *request, const char *wrong,
                   struct order *o, struct api_reply *reply)
{
    if (wrong == NULL)
        wrong = check(api, o);
    if (wrong == NULL && o->dry_run) {
        o->job = (struct api_job){ count_some, drop };
        o->api = api;
        reply->job = &o->job;
        return;
    }
    if (wrong == NULL) {
        carry_out(api, o);
        audit(request, o);
        api_reply_json(reply, 200, told(o));
    } else {
        api_reply_message(reply, strncmp(wrong, "No ", 3) == 0 ? 404 : 400, "%s", wrong);
    }
    free(o);
}

void api_purge_body(struct api *api, const struct api_request *request, struct api_reply *reply)
{
    struct order *o = calloc(1, sizeof *o);

    if (o == NULL)
        api_reply_message(reply, 500, "out of memory");
    else
        answer(api, request, read_body(request, o), o, reply);
}

void api_purge_query(struct api *api, const struct api_request *request, struct api_reply *reply)
{
    struct order *o = calloc(1, sizeof *o);

    if (o == NULL) {
        api_reply_message(reply, 500, "out of memory");
        return;
    }
    answer(api, request, read_query(request, o), o, reply);
    if (request->query.n > 0 || reply->status != 200)
        return;
    api_reply_free(reply); /* Kong's call has Kong's answer */
    reply->status = 204;
}

/* Kong's: one object, in any dictionary, or of one plugin instance. */
static void purge_one(struct api *api, const struct api_request *request, struct slice key,
                      uint32_t plugin, struct api_reply *reply)
{
    struct order *o = calloc(1, sizeof *o);
    struct cache_hit hit;
    size_t dict;
    bool found = o != NULL && api_object_id(key, o->id) && key.n < sizeof o->value;

    if (found && api_object_find(api, o->id, plugin, &dict, &hit))
        cache_unpin(api->caches[dict], &hit);
    else if (found && plugin != 0)
        found = false;
    if (found) {
        memcpy(o->value, key.p, key.n);
        choose(o, "key", BY_KEY);
        found = check(api, o) == NULL;
    }
    if (found) {
        carry_out(api, o);
        found = o->objects > 0;
    }
    if (found) {
        audit(request, o);
        reply->status = 204;
    } else {
        api_reply_message(reply, 404, "Not found");
    }
    free(o);
}

void api_purge_key(struct api *api, const struct api_request *request, struct api_reply *reply)
{
    purge_one(api, request, request->args[0], 0, reply);
}

void api_purge_key_of(struct api *api, const struct api_request *request, struct api_reply *reply)
{
    purge_one(api, request, request->args[1], labels_id(request->args[0]), reply);
}
