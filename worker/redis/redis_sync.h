/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counting here and telling Redis later: with a sync_rate, claims are granted by the counters in
 * shared memory, and what was granted is told to Redis in batches, whose answers say what all
 * gateways granted. A counter that was not heard of for two intervals is asked for before the next
 * claim on it. One a worker, client and rate.
 */
#ifndef WORKER_REDIS_SYNC_H
#define WORKER_REDIS_SYNC_H

#include "shm/limits.h"
#include "worker/redis/redis.h"

enum { REDIS_SYNC_MAX = 1 << 16 }; /* counters; those beyond are asked for each time */

struct redis_sync;

/* Made when it is first asked for; NULL: no memory. */
struct redis_sync *redis_sync_of(struct worker *w, struct redis *r, double rate);

/* Takes the claims here. False: one of them is not known well enough, nothing was done. */
bool redis_sync_take(struct redis_sync *y, struct limits_claim *claims, int n, int64_t now,
                     bool *granted);

/* What Redis knows of a counter. */
struct redis_known {
    struct slice key; /* its name there */
    int64_t at;       /* ms since 1970: when it was asked */
    uint64_t is;      /* what it counts now: requests, or a bucket's time in us */
    uint32_t before;  /* in the window before; with LIMITS_SLIDING */
    uint32_t added;   /* of that by the claim that asked, which shared memory has not seen */
};
void redis_sync_learn(struct redis_sync *y, const struct limits_claim *claim,
                      const struct redis_known *known);

/* The process is about to end: tells all that is still to be told. True: it is told, or nobody
 * listens. */
bool redis_sync_finish(struct worker *w);

#endif
