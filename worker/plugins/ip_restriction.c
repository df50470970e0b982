/* SPDX-License-Identifier: Apache-2.0 */
/* ip-restriction: who may pass by address. What is denied stays denied, whatever is allowed. */
#include "conf/plugin_ip_restriction.h"
#include "worker/plugins/plugins.h"
#include "worker/stream.h"

static enum stage_result ip_restriction_access(struct stream *s, const void *config)
{
    const struct conf_ip_restriction *c = config;
    const uint8_t *ip = stream_request(s)->client_ip;
    if (networks_hold(&c->deny, ip) || (c->allow.n && !networks_hold(&c->allow, ip)))
        return stream_answer(s, c->status, c->message.s);
    return STAGE_NEXT;
}

const struct plugin_ops ip_restriction_ops = {
    .kind = CONF_PLUGIN_IP_RESTRICTION,
    .access = ip_restriction_access,
};
