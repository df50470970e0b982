/* SPDX-License-Identifier: Apache-2.0 */
/* Configuration of compression: which responses are sent in a content coding, and in which. */
#ifndef CONF_PLUGIN_COMPRESSION_H
#define CONF_PLUGIN_COMPRESSION_H

#include "conf/plugins/plugin_proxy_cache.h"

enum conf_coding { CONF_CODING_IDENTITY, CONF_CODING_GZIP, CONF_CODING_BROTLI, CONF_CODINGS };

struct conf_compression {
    enum conf_coding algorithms[CONF_CODINGS]; /* in order of preference */
    size_t algorithms_n;
    int gzip_level, brotli_level;
    uint64_t min_length;           /* bytes; shorter bodies stay as they are */
    const struct conf_mime *types; /* without parameters; a subtype may be "*" or "*+suffix" */
    size_t types_n;
    struct conf_ints response_code;   /* empty: any */
    struct conf_texts request_method; /* empty: any */
    bool vary;                        /* Vary: Accept-Encoding is added */
    bool offload;                     /* upstreams see no Accept-Encoding */
    int max_encoders;                 /* of a worker, at the same time */
};

#endif
