/* SPDX-License-Identifier: Apache-2.0 */
/* Configuration of request-termination: Kong's fields and meanings. */
#ifndef CONF_PLUGIN_REQUEST_TERMINATION_H
#define CONF_PLUGIN_REQUEST_TERMINATION_H

#include "conf/text.h"
#include <stdbool.h>

struct conf_request_termination {
    int status_code;
    struct conf_text message, content_type, body, trigger; /* "" = unset */
    bool echo;
};

#endif
