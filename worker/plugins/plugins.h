/* SPDX-License-Identifier: Apache-2.0 */
/* The plugins that there are: what the table in plugins.c is made of. A new one is a file and a
 * line here and there. */
#ifndef PLUGINS_PLUGINS_H
#define PLUGINS_PLUGINS_H

#include "worker/plugin.h"

extern const struct plugin_ops ip_restriction_ops; /* worker/plugins/ip_restriction.c */
extern const struct plugin_ops bot_detection_ops;  /* worker/plugins/bot_detection.c */
extern const struct plugin_ops cors_ops;           /* worker/plugins/cors.c */
extern const struct plugin_ops basic_auth_ops;     /* worker/plugins/basic_auth.c */
extern const struct plugin_ops
    request_size_limiting_ops;                          /* worker/plugins/request_size_limiting.c */
extern const struct plugin_ops request_transformer_ops; /* worker/plugins/request_transformer.c */
extern const struct plugin_ops response_transformer_ops; /* worker/plugins/response_transformer.c */
extern const struct plugin_ops hmac_auth_ops;            /* worker/plugins/hmac_auth.c */
extern const struct plugin_ops acl_ops;                  /* worker/plugins/acl.c */
extern const struct plugin_ops concurrency_limiting_ops; /* worker/plugins/concurrency_limiting.c */
extern const struct plugin_ops rate_limiting_ops;        /* worker/plugins/rate_limiting.c */
extern const struct plugin_ops security_headers_ops;     /* worker/plugins/security_headers.c */
extern const struct plugin_ops compression_ops;          /* worker/plugins/compression.c */
extern const struct plugin_ops redirect_ops;             /* worker/plugins/redirect.c */
extern const struct plugin_ops
    response_ratelimiting_ops; /* worker/plugins/response_ratelimiting.c */
extern const struct plugin_ops oauth2_introspection_ops; /* worker/plugins/oauth2_introspection.c */
extern const struct plugin_ops jwt_ops;                  /* worker/plugins/jwt.c */
extern const struct plugin_ops key_auth_ops;             /* worker/plugins/key_auth.c */
extern const struct plugin_ops request_termination_ops;  /* worker/plugins/request_termination.c */
extern const struct plugin_ops correlation_id_ops;       /* worker/plugins/correlation_id.c */

#endif
