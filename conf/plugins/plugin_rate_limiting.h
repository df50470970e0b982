/* SPDX-License-Identifier: Apache-2.0 */
/* Configuration of rate-limiting: Kong's fields and meanings, and what is not Kong's: window_type,
 * burst, dry_run. */
#ifndef CONF_PLUGIN_RATE_LIMITING_H
#define CONF_PLUGIN_RATE_LIMITING_H

#include "conf/limit_by.h"
#include <stdbool.h>
#include <stdint.h>

struct conf_redis; /* conf/redis_fields.h */

enum conf_limit_policy { CONF_LIMIT_LOCAL, CONF_LIMIT_CLUSTER, CONF_LIMIT_REDIS };
enum conf_limit_window { CONF_LIMIT_FIXED, CONF_LIMIT_SLIDING, CONF_LIMIT_BUCKET };

struct conf_rate_limiting {
    int limits[LIMIT_BY_PERIODS]; /* second, minute, hour, day, month, year; 0: none */
    struct conf_counted counted;
    enum conf_limit_policy policy;
    enum conf_limit_window window_type;
    int burst; /* 0: the limit itself */
    bool fault_tolerant, hide_client_headers, dry_run;
    int error_code;
    struct conf_text error_message;
    double sync_rate;               /* s between batches to Redis; -1: each request asks it */
    const struct conf_redis *redis; /* with CONF_LIMIT_REDIS; NULL otherwise */
    struct conf_text id;            /* the instance's, the same in all gateways with that file */
    uint64_t scope;                 /* the instance's own number, the same over reloads */
};

#endif
