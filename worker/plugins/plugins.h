/* SPDX-License-Identifier: Apache-2.0 */
/* The plugins that there are: what the table in plugins.c is made of. A new one is a file and a
 * line here and there. */
#ifndef PLUGINS_PLUGINS_H
#define PLUGINS_PLUGINS_H

#include "worker/plugin.h"

extern const struct plugin_ops jwt_ops;                 /* worker/plugins/jwt.c */
extern const struct plugin_ops key_auth_ops;            /* worker/plugins/key_auth.c */
extern const struct plugin_ops request_termination_ops; /* worker/plugins/request_termination.c */
extern const struct plugin_ops correlation_id_ops;      /* worker/plugins/correlation_id.c */

#endif
