/* SPDX-License-Identifier: Apache-2.0 */
/* The time as the loop sees it: read once a turn, so that a request costs no clock call. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

struct clock {
    int64_t us;      /* monotonic microseconds */
    int64_t ms;      /* monotonic milliseconds */
    int64_t real_ms; /* milliseconds since 1970; may jump */
    int64_t real_s;  /* seconds since 1970 */
};

void clock_read(struct clock *c);

#endif
