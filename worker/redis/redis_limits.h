/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claims on limits (shm/limits.h) whose counters a Redis keeps, for all gateways that share it. For
 * plugins: a stream waits for the answer, see stream_await().
 */
#ifndef WORKER_REDIS_LIMITS_H
#define WORKER_REDIS_LIMITS_H

#include "worker/redis/redis_usage.h"
#include "worker/stream.h"

struct conf_redis;
struct limits_claim;

enum redis_verdict {
    REDIS_WAITS,
    REDIS_GRANTED, /* all claims, or what was only to be read was read; or */
    REDIS_REFUSED, /* none; the claims say what came of it */
    REDIS_SILENT   /* nobody knows: no answer in time, or none that makes sense */
};

struct redis_claims {
    struct stream_wait wait; /* first: what stream_awaited() gives back */
    enum redis_verdict verdict;
    struct limits_claim *claims; /* what was asked for, in the stream's arena */
    int n;
};

struct redis_limits {
    const struct conf_redis *redis;
    double sync_rate;            /* s; -1: Redis is asked for each request */
    struct slice scope, who;     /* whose they are, in all gateways alike */
    struct limits_claim *claims; /* 0 < n <= LIMITS_CLAIMS_MAX */
    int n;
};

/* With a sync_rate: takes the claims, which say then what came of it, from what this machine knows.
 * False: it does not know enough, Redis has to be asked. */
bool redis_limits_take(struct stream *s, const struct redis_limits *l, bool *granted);

/* Asks for all claims. The stream is woken when the verdict is there. NULL: Redis is known not to
 * answer now, or there is no memory. */
struct redis_claims *redis_limits_ask(struct stream *s, const struct redis_limits *l);

/* Reads what is counted, all of it in one question; the stream is woken as above, and the claims
 * say what is left. Their cost is 0. */
struct redis_claims *redis_limits_read(struct stream *s, const struct conf_redis *redis,
                                       const struct redis_usage *usage);
/* Counts the claims' costs, whatever their limits, though the stream end: nobody waits for it. It
 * leaves before anything that the stream sends after that. False: as NULL above. */
bool redis_limits_add(struct stream *s, const struct conf_redis *redis,
                      const struct redis_usage *usage);

#endif
