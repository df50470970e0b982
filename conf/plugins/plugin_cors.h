/* SPDX-License-Identifier: Apache-2.0 */
/* Configuration of cors: Kong's fields and meanings. */
#ifndef CONF_PLUGIN_CORS_H
#define CONF_PLUGIN_CORS_H

#include "conf/regex.h"
#include "conf/text.h"
#include <stdbool.h>

/* One of the origins that may: a text, or a pattern for the whole of it. One that names no scheme
 * and port is compared with the host alone. */
struct conf_cors_origin {
    struct conf_text text;
    const struct conf_regex *regex; /* NULL: the text */
    bool by_host;
};

struct conf_cors {
    const struct conf_cors_origin *origins;
    size_t origins_n;
    bool any_origin;                                    /* "*", or none configured */
    struct conf_text methods, headers, exposed_headers; /* lists as they are sent; "" = unset */
    int max_age;                                        /* s; -1: not sent */
    bool credentials, private_network, preflight_continue, allow_origin_absent;
};

#endif
