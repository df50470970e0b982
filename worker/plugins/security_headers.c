/* SPDX-License-Identifier: Apache-2.0 */
/* security-headers: on every response, the gateway's own and stored ones included. */
#include "conf/plugins/plugin_security_headers.h"
#include "worker/plugins/plugins.h"
#include "worker/stream.h"

static void put(struct stream *s, struct slice name, const struct conf_text *value)
{
    if (value->n)
        stream_set_response(s, name, slice_text(*value));
}

static void security_headers_header_filter(struct stream *s, const void *config)
{
    const struct conf_security_headers *c = config;
    if (stream_request(s)->secure) /* browsers have to ignore it elsewhere: RFC 6797 section 7.2 */
        put(s, SLICE("Strict-Transport-Security"), &c->hsts);
    if (c->content_type_nosniff)
        stream_set_response(s, SLICE("X-Content-Type-Options"), SLICE("nosniff"));
    put(s, SLICE("X-Frame-Options"), &c->frame_options);
    put(s, SLICE("Content-Security-Policy"), &c->content_security_policy);
    put(s, SLICE("Referrer-Policy"), &c->referrer_policy);
    put(s, SLICE("Permissions-Policy"), &c->permissions_policy);
    put(s, SLICE("Cross-Origin-Opener-Policy"), &c->cross_origin_opener_policy);
    put(s, SLICE("Cross-Origin-Resource-Policy"), &c->cross_origin_resource_policy);
}

const struct plugin_ops security_headers_ops = {
    .kind = CONF_PLUGIN_SECURITY_HEADERS,
    .header_filter = security_headers_header_filter,
};
