/* SPDX-License-Identifier: Apache-2.0 */
/*
 * API: the shared dictionaries. Kong's paths for one object and for all of them, and beyond those a
 * listing and a purge by URL, which removes every variant of it: any method, consumer, route and
 * vary value. A key is looked for in every dictionary, as Kong does. Walks take what they find in
 * bounded portions.
 */
#include "master/api_object.h"
#include "worker/http/labels.h"
#include "worker/http/reuse.h"
#include <stdio.h>
#include <stdlib.h>

enum { LIMIT_DEFAULT = 100, LIMIT_MAX = 1000, PORTION = 1024, PORTIONS_MAX = 4096 };

/* --- what there is -------------------------------------------------------------------------- */

struct listing {
    const struct api *api;
    const struct api_object_url *url; /* NULL: any */
    const char *method;               /* "": any */
    bool details;
    size_t dict, left;
    json_t *list;
};

static bool list_object(void *arg, const uint8_t id[CACHE_ID_SIZE], const struct cache_hit *hit)
{
    struct listing *l = arg;

    if (hit->meta->flags & REUSE_NO_RESPONSE)
        return true; /* the cache's own: names that vary, a count of requests */
    if (l->url != NULL && !api_object_is_at(hit, l->url))
        return true;
    json_t *o = api_object_json(l->api, l->dict, id, hit, l->details);
    const char *method = json_string_value(json_object_get(o, "method"));
    if (l->method[0] != '\0' && (method == NULL || strcmp(method, l->method) != 0)) {
        json_decref(o);
        return true;
    }
    json_array_append_new(l->list, o);
    return --l->left > 0;
}

static bool read_limit(const struct api_request *request, size_t *limit)
{
    char text[32], *end;

    *limit = LIMIT_DEFAULT;
    if (!api_parameter(request, "limit", text, sizeof text))
        return true;
    unsigned long n = strtoul(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || n == 0)
        return false;
    *limit = n < LIMIT_MAX ? n : LIMIT_MAX;
    return true;
}

void api_cache_keys(struct api *api, const struct api_request *request, struct api_reply *reply)
{
    const struct conf *conf = api->heritage->conf;
    char dict[256] = "", method[32] = "", details[8] = "", text[API_PARAMETER_MAX];
    struct api_object_url url;
    struct listing l = { .api = api, .method = method };

    if (!read_limit(request, &l.left)) {
        api_reply_message(reply, 400, "limit must be a number above 0");
        return;
    }
    (void)api_parameter(request, "dict", dict, sizeof dict);
    (void)api_parameter(request, "method", method, sizeof method);
    (void)api_parameter(request, "details", details, sizeof details);
    l.details = strcmp(details, "true") == 0;
    if (strcmp(method, "HEAD") == 0)
        memcpy(method, "GET", sizeof "GET"); /* one object serves both */
    if (api_parameter(request, "url", text, sizeof text)) {
        if (!api_object_url(slice_of(text, strlen(text)), &url)) {
            api_reply_message(reply, 400, "url is not a URL with a host");
            return;
        }
        l.url = &url;
    }
    l.list = json_array();
    for (l.dict = 0; l.dict < conf->shared_dicts_n && l.left > 0; l.dict++)
        if (api->caches[l.dict] != NULL &&
            (dict[0] == '\0' || strcmp(dict, conf->shared_dicts[l.dict].name.s) == 0))
            cache_walk(api->caches[l.dict], api->now, list_object, &l);
    json_t *value = json_object();
    json_object_set_new(value, "keys", l.list);
    api_reply_json(reply, 200, value);
}

/* --- one object ----------------------------------------------------------------------------- */

/* Finds the object in any dictionary; `plugin` 0: stored by any instance. True: *hit is pinned
 * in caches[*dict]. */
static bool find(struct api *api, const uint8_t id[CACHE_ID_SIZE], uint32_t plugin, size_t *dict,
                 struct cache_hit *hit)
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

static void get(struct api *api, struct slice key, uint32_t plugin, struct api_reply *reply)
{
    uint8_t id[CACHE_ID_SIZE];
    struct cache_hit hit;
    size_t dict;

    if (!api_object_id(key, id) || !find(api, id, plugin, &dict, &hit)) {
        api_reply_message(reply, 404, "Not found");
        return;
    }
    json_t *value = api_object_json(api, dict, id, &hit, true);
    cache_unpin(api->caches[dict], &hit);
    api_reply_json(reply, 200, value);
}

void api_cache_get(struct api *api, const struct api_request *request, struct api_reply *reply)
{
    get(api, request->args[0], 0, reply);
}

void api_cache_get_of(struct api *api, const struct api_request *request, struct api_reply *reply)
{
    get(api, request->args[1], labels_id(request->args[0]), reply);
}

/* --- purge ---------------------------------------------------------------------------------- */

/* How many dictionaries had it. It is removed where it is seen and where it is not: a fill may be
 * under way. */
static uint64_t purge_id(struct api *api, const uint8_t id[CACHE_ID_SIZE])
{
    uint64_t n = 0;

    for (size_t i = 0; i < api->heritage->conf->shared_dicts_n; i++)
        if (api->caches[i] != NULL)
            n += (uint64_t)cache_purge(api->caches[i], id);
    return n;
}

void api_cache_delete(struct api *api, const struct api_request *request, struct api_reply *reply)
{
    uint8_t id[CACHE_ID_SIZE];

    if (!api_object_id(request->args[0], id) || purge_id(api, id) == 0) {
        api_reply_message(reply, 404, "Not found");
        return;
    }
    api_audit(request, "purge key=%.*s", (int)request->args[0].n, request->args[0].p);
    reply->status = 204;
}

void api_cache_delete_of(struct api *api, const struct api_request *request,
                         struct api_reply *reply)
{
    uint8_t id[CACHE_ID_SIZE];
    struct cache_hit hit;
    size_t dict;

    if (!api_object_id(request->args[1], id) ||
        !find(api, id, labels_id(request->args[0]), &dict, &hit)) {
        api_reply_message(reply, 404, "Not found");
        return;
    }
    cache_unpin(api->caches[dict], &hit);
    (void)cache_purge(api->caches[dict], id);
    api_audit(request, "purge plugin=%.*s key=%.*s", (int)request->args[0].n, request->args[0].p,
              (int)request->args[1].n, request->args[1].p);
    reply->status = 204;
}

static uint64_t purge_all(struct api *api, const struct api_request *request)
{
    uint64_t n = 0;

    for (size_t i = 0; i < api->heritage->conf->shared_dicts_n; i++)
        if (api->caches[i] != NULL)
            n += cache_purge_all(api->caches[i]);
    api_audit(request, "purge all objects=%llu", (unsigned long long)n);
    return n;
}

void api_cache_clear(struct api *api, const struct api_request *request, struct api_reply *reply)
{
    (void)purge_all(api, request);
    reply->status = 204;
}

struct portion {
    const struct api_object_url *url;
    size_t n;
    uint8_t ids[PORTION][CACHE_ID_SIZE];
};

static bool collect(void *arg, const uint8_t id[CACHE_ID_SIZE], const struct cache_hit *hit)
{
    struct portion *p = arg;

    if (api_object_is_at(hit, p->url))
        memcpy(p->ids[p->n++], id, CACHE_ID_SIZE);
    return p->n < PORTION;
}

/* What is found is removed after the walk, which may hold what a removal needs. */
static uint64_t purge_url_in(const struct api *api, size_t dict, const struct api_object_url *url)
{
    struct portion p = { .url = url };
    uint64_t removed = 0;

    for (int i = 0; i < PORTIONS_MAX; i++) {
        p.n = 0;
        cache_walk(api->caches[dict], api->now, collect, &p);
        for (size_t k = 0; k < p.n; k++)
            removed += (uint64_t)cache_purge(api->caches[dict], p.ids[k]);
        if (p.n < PORTION)
            break;
    }
    return removed;
}

/* False: not a URL. */
static bool purge_url(struct api *api, const struct api_request *request, const char *text,
                      uint64_t *removed)
{
    struct api_object_url url;

    if (!api_object_url(slice_of(text, strlen(text)), &url))
        return false;
    for (size_t i = 0; i < api->heritage->conf->shared_dicts_n; i++)
        if (api->caches[i] != NULL)
            *removed += purge_url_in(api, i, &url);
    api_audit(request, "purge url=%s objects=%llu", text, (unsigned long long)*removed);
    return true;
}

/* Does what the body says. NULL: done; otherwise what is wrong with it. */
static const char *purge_by(struct api *api, const struct api_request *request, const json_t *body,
                            uint64_t *removed)
{
    static const char form[] = "The body must be {\"url\": URL}, {\"key\": KEY} or {\"all\": true}";
    const char *url = json_string_value(json_object_get(body, "url"));
    const char *key = json_string_value(json_object_get(body, "key"));
    uint8_t id[CACHE_ID_SIZE];

    if (json_object_size(body) != 1)
        return form;
    if (url != NULL)
        return purge_url(api, request, url, removed) ? NULL : "url is not a URL with a host";
    if (key != NULL) {
        if (!api_object_id(slice_of(key, strlen(key)), id))
            return "key is not 32 hex digits";
        *removed = purge_id(api, id);
        api_audit(request, "purge key=%s objects=%llu", key, (unsigned long long)*removed);
        return NULL;
    }
    if (!json_is_true(json_object_get(body, "all")))
        return form;
    *removed = purge_all(api, request);
    return NULL;
}

void api_cache_purge(struct api *api, const struct api_request *request, struct api_reply *reply)
{
    uint64_t removed = 0;
    json_t *body = json_loadb(request->body.p != NULL ? request->body.p : "", request->body.n,
                              JSON_REJECT_DUPLICATES, NULL);
    const char *wrong = purge_by(api, request, body, &removed);

    json_decref(body);
    if (wrong != NULL) {
        api_reply_message(reply, 400, "%s", wrong);
        return;
    }
    json_t *value = json_object();
    json_object_set_new(value, "purged", json_integer((json_int_t)removed));
    api_reply_json(reply, 200, value);
}
