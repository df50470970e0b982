/* SPDX-License-Identifier: Apache-2.0 */
/* Configuration of concurrency-limiting, which Kong has not; words as in rate-limiting. */
#ifndef CONF_PLUGIN_CONCURRENCY_LIMITING_H
#define CONF_PLUGIN_CONCURRENCY_LIMITING_H

#include "conf/limit_by.h"
#include <stdint.h>

struct conf_concurrency_limiting {
    int limit;
    struct conf_counted counted;
    int retry_after; /* s; 0: nothing is said */
    int error_code;
    struct conf_text error_message;
    uint64_t scope; /* plugin_scope() */
};

#endif
