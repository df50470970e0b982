/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two reads through the vDSO, no system call. Spans are measured with the monotonic clock; only
 * dates and freshness look at the real one, which an administrator may set.
 */
#include "worker/base/clock.h"

#include <time.h>

void clock_read(struct clock *c)
{
    struct timespec mono, real;

    clock_gettime(CLOCK_MONOTONIC, &mono);
    clock_gettime(CLOCK_REALTIME_COARSE, &real);
    c->us = (int64_t)mono.tv_sec * 1000000 + mono.tv_nsec / 1000;
    c->ms = c->us / 1000;
    c->real_s = real.tv_sec;
    c->real_ms = (int64_t)real.tv_sec * 1000 + real.tv_nsec / 1000000;
}
