/* SPDX-License-Identifier: Apache-2.0 */
/* Configuration of key-auth: Kong's fields and meanings. */
#ifndef CONF_PLUGIN_KEY_AUTH_H
#define CONF_PLUGIN_KEY_AUTH_H

#include "conf/entities.h"

struct conf_key_auth {
    struct conf_texts key_names; /* as written; header names compare without case */
    bool key_in_header, key_in_query,
        key_in_body; /* key_in_body true is refused at load: it would buffer the body */
    bool hide_credentials, run_on_preflight;
    struct conf_text realm;
    const struct conf_consumer *anonymous; /* NULL: none */
};

#endif
