/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ip-restriction: who may pass by address. What is denied stays denied, whatever is allowed. A peer
 * on a Unix socket has no address, unless a proxy is trusted there and names one: no list can let
 * it pass.
 */
#include "conf/plugins/plugin_ip_restriction.h"
#include "worker/plugins/plugins.h"
#include "worker/stream.h"

static enum stage_result refuse(struct stream *s, const struct conf_ip_restriction *c)
{
    if (c->message.n)
        return stream_answer(s, c->status, c->message.s);
    struct slice client = stream_client_text(s);
    struct slice text = arena_print(stream_arena(s), "IP address not allowed: %.*s", (int)client.n,
                                    client.p ? client.p : "");
    return stream_answer(s, c->status, text.p ? text.p : "IP address not allowed");
}

static enum stage_result ip_restriction_access(struct stream *s, const void *config)
{
    static const uint8_t none[16];
    const struct conf_ip_restriction *c = config;
    const uint8_t *ip = stream_request(s)->client_ip;
    if (memcmp(ip, none, sizeof none) == 0)
        return stream_answer(s, 403,
                             "Cannot identify the client IP address, unix domain sockets "
                             "are not supported.");
    if (networks_hold(&c->deny, ip) || (c->allow.n && !networks_hold(&c->allow, ip)))
        return refuse(s, c);
    return STAGE_NEXT;
}

const struct plugin_ops ip_restriction_ops = {
    .kind = CONF_PLUGIN_IP_RESTRICTION,
    .access = ip_restriction_access,
};
