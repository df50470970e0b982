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
    bool ignore_uri_case, store_set_cookie;
    bool header_age, header_status, header_key; /* response_headers */
};

#endif
