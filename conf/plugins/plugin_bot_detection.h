/* SPDX-License-Identifier: Apache-2.0 */
/* Configuration of bot-detection: Kong's fields and meanings. */
#ifndef CONF_PLUGIN_BOT_DETECTION_H
#define CONF_PLUGIN_BOT_DETECTION_H

#include "conf/regex.h"
#include "conf/text.h"

struct conf_bot_detection {
    const struct conf_regex *const *allow, *const *deny; /* searched for anywhere */
    size_t allow_n, deny_n;
    const struct conf_regex *known; /* the gateway's own list, in one pattern */
};

#endif
