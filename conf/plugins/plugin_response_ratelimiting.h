/* SPDX-License-Identifier: Apache-2.0 */
/* Configuration of response-ratelimiting: Kong's fields and meanings. */
#ifndef CONF_PLUGIN_RESPONSE_RATELIMITING_H
#define CONF_PLUGIN_RESPONSE_RATELIMITING_H

#include "conf/limit_by.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct conf_redis; /* conf/redis_fields.h */

enum { RESPONSE_RATELIMITING_WINDOWS = 256 }; /* at most, that a Redis is asked for at once */

/* What the upstream counts under one name. */
struct conf_response_limit {
    struct conf_text name;
    int limits[LIMIT_BY_PERIODS]; /* 0: none */
    uint64_t scope;               /* of this name in this instance, the same over reloads */
    struct conf_text remaining;   /* "X-RateLimit-Remaining-<name>", for the upstream */
    struct conf_text refusal;     /* "API rate limit exceeded for '<name>'" */
    struct {
        struct conf_text limit, remaining; /* "X-RateLimit-Limit-<name>-<period>" */
    } fields[LIMIT_BY_PERIODS];
};

struct conf_response_ratelimiting {
    struct conf_counted counted;
    struct conf_text header_name;
    bool block_on_first_violation, hide_client_headers;
    const struct conf_response_limit *limits;
    size_t limits_n, windows_n;     /* windows: limits of all names */
    const struct conf_redis *redis; /* NULL: counters are in shared memory */
    bool fault_tolerant;
    struct conf_text id; /* the instance's, the same in all gateways with that file */
};

#endif
