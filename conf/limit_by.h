/* SPDX-License-Identifier: Apache-2.0 */
/* Whose requests a plugin counts together. */
#ifndef CONF_LIMIT_BY_H
#define CONF_LIMIT_BY_H

#include "conf/text.h"

enum { LIMIT_BY_PERIODS = 6 }; /* second, minute, hour, day, month, year */
extern const char *const limit_by_period_names[LIMIT_BY_PERIODS];

enum conf_limit_by {
    CONF_LIMIT_BY_CONSUMER,
    CONF_LIMIT_BY_CREDENTIAL,
    CONF_LIMIT_BY_IP,
    CONF_LIMIT_BY_SERVICE,
    CONF_LIMIT_BY_ROUTE,
    CONF_LIMIT_BY_HEADER,
    CONF_LIMIT_BY_PATH
};

struct conf_counted {
    enum conf_limit_by limit_by;
    struct conf_text header_name, path; /* with ..._BY_HEADER and ..._BY_PATH */
};

#endif
