/* SPDX-License-Identifier: Apache-2.0 */
/* Configuration of security-headers: what responses tell browsers to guard against. */
#ifndef CONF_PLUGIN_SECURITY_HEADERS_H
#define CONF_PLUGIN_SECURITY_HEADERS_H

#include "conf/text.h"
#include <stdbool.h>

struct conf_security_headers {
    int hsts_max_age; /* s; 0: not sent */
    bool hsts_include_subdomains, hsts_preload;
    struct conf_text hsts; /* as sent; "" = not */
    bool content_type_nosniff;
    struct conf_text frame_options, content_security_policy, referrer_policy, permissions_policy,
        cross_origin_opener_policy, cross_origin_resource_policy; /* "" = not sent */
};

#endif
