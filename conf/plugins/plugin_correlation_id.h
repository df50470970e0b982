/* SPDX-License-Identifier: Apache-2.0 */
/* Configuration of correlation-id: Kong's fields and meanings. */
#ifndef CONF_PLUGIN_CORRELATION_ID_H
#define CONF_PLUGIN_CORRELATION_ID_H

#include "conf/text.h"
#include <stdbool.h>

enum conf_correlation_generator {
    CONF_CORRELATION_UUID,
    CONF_CORRELATION_UUID_COUNTER,
    CONF_CORRELATION_TRACKER
};

struct conf_correlation_id {
    struct conf_text header_name;
    enum conf_correlation_generator generator;
    bool echo_downstream;
};

#endif
