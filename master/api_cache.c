/* SPDX-License-Identifier: Apache-2.0 */
/*
 * API: looking into the shared dictionaries: Kong's paths for one object, and beyond those a
 * listing. A key is looked for in every dictionary, as Kong does.
 */
#include "master/api_object.h"
#include "worker/http/labels.h"
#include "worker/http/reuse.h"
#include <stdio.h>
#include <stdlib.h>

enum { LIMIT_DEFAULT = 100, LIMIT_MAX = 1000 };

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

static void get(struct api *api, struct slice key, uint32_t plugin, struct api_reply *reply)
{
    uint8_t id[CACHE_ID_SIZE];
    struct cache_hit hit;
    size_t dict;

    if (!api_object_id(key, id) || !api_object_find(api, id, plugin, &dict, &hit)) {
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
