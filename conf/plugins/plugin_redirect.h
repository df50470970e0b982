/* SPDX-License-Identifier: Apache-2.0 */
/* Configuration of redirect: Kong's fields and meanings. */
#ifndef CONF_PLUGIN_REDIRECT_H
#define CONF_PLUGIN_REDIRECT_H

#include "conf/text.h"
#include <stdbool.h>

struct conf_redirect {
    int status_code;
    struct conf_text location;
    struct conf_text origin; /* scheme://authority of it */
    bool keep_incoming_path;
};

#endif
