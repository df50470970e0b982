/* SPDX-License-Identifier: Apache-2.0 */
/* The table of plugins by kind. proxy-cache has no phases of its own: the cache stage does its
 * work. */
#include "worker/plugins/plugins.h"

static const struct plugin_ops proxy_cache = { .kind = CONF_PLUGIN_PROXY_CACHE };

const struct plugin_ops *const plugins_table[CONF_PLUGIN_KINDS] = {
    [CONF_PLUGIN_IP_RESTRICTION] = &ip_restriction_ops,
    [CONF_PLUGIN_BOT_DETECTION] = &bot_detection_ops,
    [CONF_PLUGIN_CORS] = &cors_ops,
    [CONF_PLUGIN_BASIC_AUTH] = &basic_auth_ops,
    [CONF_PLUGIN_REQUEST_SIZE_LIMITING] = &request_size_limiting_ops,
    [CONF_PLUGIN_HMAC_AUTH] = &hmac_auth_ops,
    [CONF_PLUGIN_ACL] = &acl_ops,
    [CONF_PLUGIN_CONCURRENCY_LIMITING] = &concurrency_limiting_ops,
    [CONF_PLUGIN_RATE_LIMITING] = &rate_limiting_ops,
    [CONF_PLUGIN_RESPONSE_RATELIMITING] = &response_ratelimiting_ops,
    [CONF_PLUGIN_REQUEST_TRANSFORMER] = &request_transformer_ops,
    [CONF_PLUGIN_RESPONSE_TRANSFORMER] = &response_transformer_ops,
    [CONF_PLUGIN_SECURITY_HEADERS] = &security_headers_ops,
    [CONF_PLUGIN_REDIRECT] = &redirect_ops,
    [CONF_PLUGIN_OAUTH2_INTROSPECTION] = &oauth2_introspection_ops,
    [CONF_PLUGIN_JWT] = &jwt_ops,
    [CONF_PLUGIN_KEY_AUTH] = &key_auth_ops,
    [CONF_PLUGIN_PROXY_CACHE] = &proxy_cache,
    [CONF_PLUGIN_COMPRESSION] = &compression_ops,
    [CONF_PLUGIN_REQUEST_TERMINATION] = &request_termination_ops,
    [CONF_PLUGIN_CORRELATION_ID] = &correlation_id_ops,
};
