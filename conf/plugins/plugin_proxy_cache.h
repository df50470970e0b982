/* SPDX-License-Identifier: Apache-2.0 */
/* Configuration of proxy-cache: Kong's fields, times in seconds. */
#ifndef CONF_PLUGIN_PROXY_CACHE_H
#define CONF_PLUGIN_PROXY_CACHE_H

#include "conf/text.h"
#include <stdbool.h>
#include <stdint.h>

struct conf_mime { /* a parsed content_type entry: lower case, parameters sorted by name, no spaces
                    */
    struct conf_text type, subtype; /* "*" matches any */
    struct conf_text parameters;    /* "charset=utf-8;q=1" or "" */
};

/* When the cache is asked, or may answer, although it could not. */
enum conf_serve_stale {
    CONF_STALE_ERROR = 1,   /* no connection, a broken one, a malformed answer, no healthy target */
    CONF_STALE_TIMEOUT = 2, /* no answer in time */
    CONF_STALE_UPDATING = 4, /* another request is refreshing it */
    CONF_STALE_500 = 8,
    CONF_STALE_502 = 16,
    CONF_STALE_503 = 32,
    CONF_STALE_504 = 64,
    CONF_STALE_403 = 128,
    CONF_STALE_404 = 256,
    CONF_STALE_429 = 512,
};

struct conf_status_ttl {
    int first, last, ttl;
};

/* Fields and query parameters, "name" (is there) or "name=value". Any of them suffices. */
struct conf_cache_condition {
    struct conf_texts headers, query;
};

struct conf_proxy_cache {
    struct conf_text dictionary_name;
    uint32_t dict; /* index into conf.shared_dicts */
    struct conf_ints response_code;
    struct conf_texts request_method;
    const struct conf_mime *content_type;
    size_t content_type_n;
    struct conf_texts vary_headers, vary_query_params; /* sorted; headers lower case */
    int cache_ttl;
    bool cache_control;
    int storage_ttl; /* 0 = unset */
    bool ignore_uri_case, store_set_cookie, strip_cache_tags;
    bool fill_ranges; /* a part is asked for: the whole is fetched */
    bool header_age, header_status, header_key, header_cache_status; /* response_headers */
    unsigned serve_stale;                                            /* enum conf_serve_stale */
    const struct conf_status_ttl *status_ttl; /* the first that fits counts */
    size_t status_ttl_n;
    int min_uses;
    int lock_timeout;         /* ms; 0 = requests do not wait for each other */
    uint64_t max_object_size; /* 0 = none */
    struct conf_cache_condition bypass, no_store;
};

#endif
