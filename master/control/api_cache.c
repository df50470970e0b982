/* SPDX-License-Identifier: Apache-2.0 */
/* API: one object of the shared dictionaries, by Kong's paths. A key is looked for in every
 * dictionary, as Kong does. */
#include "master/control/api_object.h"
#include "worker/http/labels.h"

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
