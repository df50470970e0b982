/* SPDX-License-Identifier: Apache-2.0 */
/* What is counted under several names, in windows that begin with the second, minute, ... A
 * counter's key is "ratelimit:{<scope>:<who>}:<name>:<unit>:<window>". */
#ifndef WORKER_REDIS_USAGE_H
#define WORKER_REDIS_USAGE_H

#include "worker/base/slice.h"

struct limits_claim; /* shm/limits.h */

struct redis_usage {
    struct slice scope, who; /* as in struct redis_limits */
    struct limits_claim *claims;
    const struct slice *names; /* each claim's: a token */
    size_t n;                  /* > 0 */
};

#endif
