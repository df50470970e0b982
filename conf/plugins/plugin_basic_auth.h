/* SPDX-License-Identifier: Apache-2.0 */
/* Configuration of basic-auth: Kong's fields and meanings. */
#ifndef CONF_PLUGIN_BASIC_AUTH_H
#define CONF_PLUGIN_BASIC_AUTH_H

#include "conf/entities.h"

struct conf_basic_auth {
    bool hide_credentials;
    struct conf_text realm;
    const struct conf_consumer *anonymous; /* NULL: none */
};

#endif
