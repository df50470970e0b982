/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The labels of stored responses: which an object has (read out of its key, meta and tags), and
 * which are purged for what an operator or an unsafe request names. Both sides are here, so that
 * they cannot differ. Pure but for shared memory.
 */
#ifndef HTTP_LABELS_H
#define HTTP_LABELS_H

#include "conf/conf.h"
#include "shm/purges.h"
#include "worker/base/slice.h"

enum { LABELS_QUERIES_MAX = 16, LABELS_MAX = 2 * LABELS_QUERIES_MAX + 4 };

/* The short form of the id of a plugin instance or a service, as cache_meta has it; any case, with
 * dashes or without, is the same. Never 0. */
uint32_t labels_id(struct slice uuid);

/* A purges_labeler. */
void labels_see(struct purges_look *look, const struct cache_hit *hit);

/* The different vary_query_params that are configured: a URL has one label for each. */
struct labels_queries {
    const struct conf_texts *v[LABELS_QUERIES_MAX];
    size_t n;
    bool more; /* than have room: all queries are purged with any */
};
void labels_queries(const struct conf *conf, struct labels_queries *out);

/* What to purge. */
struct labels {
    struct purges_label v[LABELS_MAX];
    size_t n;
};

void labels_key(const struct cache *cache, const uint8_t id[CACHE_ID_SIZE], struct labels *out);
/* As keys hold them: host in lower case, path normalised, query undecoded, absent where there is
 * none. All methods, routes, consumers, vary values; whatever the case where keys have none. Where
 * keys hold a part of the query, all URLs that share it. */
void labels_url(const struct cache *cache, const struct labels_queries *queries, struct slice host,
                struct slice path, struct slice query, struct labels *out);
/* One tag or several, apart by commas or spaces. False: none, or more than fit. */
bool labels_tags(const struct cache *cache, struct slice list, struct labels *out);
/* "[host]/path[?query]" as far as one likes; false: there is no "/" in it. */
bool labels_prefix(const struct cache *cache, struct slice prefix, struct labels *out);
void labels_host(const struct cache *cache, struct slice host, struct labels *out);
void labels_route(const struct cache *cache, struct slice id, struct labels *out);
void labels_service(const struct cache *cache, struct slice id, struct labels *out);
void labels_all(struct labels *out);

#endif
