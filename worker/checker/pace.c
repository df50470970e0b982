/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A target that is late, since nobody probed for a while, waits at most as long again as it is late
 * already and a tenth of the interval: those whose turns were missed in a second are spread over
 * the next seconds, in which less than twice as many probes are sent as usual.
 */
#include "worker/checker/pace.h"

enum { PACE_LATE = 100 /* ms; less is nothing to speak of, however short the interval */ };

static int64_t pace_share(uint64_t identity, int64_t of)
{
    uint64_t mixed = identity * UINT64_C(0x9e3779b97f4a7c15);

    mixed = (mixed ^ mixed >> 32) * UINT64_C(0xd6e8feb86659fd93);
    return (int64_t)((mixed >> 32) % (uint64_t)of);
}

int64_t pace_first(uint64_t identity, int64_t interval, int64_t probed, int64_t now)
{
    if (probed <= 0 || probed > now || now - probed >= 2 * interval)
        return now + pace_share(identity, interval);
    int64_t due = probed + interval, range = now - due + interval / 10 + 1;
    if (due > now)
        return due;
    return now + pace_share(identity, range < interval ? range : interval);
}

int64_t pace_next(int64_t interval, int64_t began, int64_t now)
{
    return began + interval > now ? began + interval : now;
}

bool pace_is_late(int64_t interval, int64_t due, int64_t now)
{
    return now - due > PACE_LATE && now - due > interval / 10;
}
