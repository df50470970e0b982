/* SPDX-License-Identifier: Apache-2.0 */
/* Stored objects as the API names and shows them: by id in hex, by URL, as JSON. Pure but for
 * shared memory. */
#ifndef MASTER_API_OBJECT_H
#define MASTER_API_OBJECT_H

#include "master/control/api.h"

enum { API_OBJECT_URL_MAX = 8192, API_OBJECT_HOST_MAX = 256 };

/* A URL as keys hold it. The slices point into the buffers and into the text that it was made from.
 */
struct api_object_url {
    struct slice host, path, query;
    char host_text[API_OBJECT_HOST_MAX], path_text[API_OBJECT_URL_MAX];
};

/* "http://host[:port]/path?query"; scheme and path may be missing. False: not one. `text` must
 * outlive *url. */
bool api_object_url(struct slice text, struct api_object_url *url);

/* The beginning of a path as keys hold it, where it is one: what ends within an escape or with dots
 * that could be the begin of a name is left as it is. Writes to out[0..cap), cap >= path.n; returns
 * the length. A query goes with it as it is. */
size_t api_object_prefix(struct slice path, char *out, size_t cap);

/* 32 hex digits of any case (dashes are skipped, so that a UUID is read as well) into 16 bytes.
 * False: not an id. */
bool api_object_id(struct slice text, uint8_t id[CACHE_ID_SIZE]);

/* Whether the object answers requests for that URL, by any method, consumer, route and vary value.
 */
bool api_object_is_at(const struct cache_hit *hit, const struct api_object_url *url);

/* Finds the object in any dictionary; `plugin`: stored by the instance with that short id
 * (labels_id()); 0: by any. True: *hit is pinned in caches[*dict]. */
bool api_object_find(struct api *api, const uint8_t id[CACHE_ID_SIZE], uint32_t plugin,
                     size_t *dict, struct cache_hit *hit);

/* What is known of it: key, request, times, size. `details` true: its freshness, validators, sizes
 * and header fields too. NULL: no memory. */
json_t *api_object_json(const struct api *api, size_t dict, const uint8_t id[CACHE_ID_SIZE],
                        const struct cache_hit *hit, bool details);

#endif
