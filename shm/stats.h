/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counters: one block a board slot, written by its owner without atomic read-modify-write (relaxed
 * stores), merged by readers. A block is never reset: the next owner of the slot goes on counting
 * in it, so sums never fall. Rows of routes are found by the route's id and stay over reloads.
 */
#ifndef SHM_STATS_H
#define SHM_STATS_H

#include "shm/region.h"
#include <stdatomic.h>

enum { STATS_VERSION = 3, STATS_BUCKETS = 17 };

/* Upper bounds of the latency buckets in microseconds; the last one is +Inf. */
extern const uint64_t stats_bounds[STATS_BUCKETS];

enum stats_cache {
    STATS_HIT,
    STATS_MISS,
    STATS_BYPASS,
    STATS_REFRESH,
    STATS_STALE,
    STATS_REVALIDATED,
    STATS_UPDATING,
    STATS_CACHE_KINDS
};

struct stats_route_shm {
    uint64_t requests, bytes_in, bytes_out;
    uint64_t status[6]; /* by hundreds; [0] = closed without an answer */
    uint64_t cache[STATS_CACHE_KINDS];
    uint64_t latency[STATS_BUCKETS]; /* not cumulative */
    uint64_t latency_sum;            /* us */
    uint64_t upstream_sum;           /* us waited for upstreams */
} __attribute__((aligned(64)));

struct stats_process_shm {
    uint64_t accepted, closed, requests, bad_requests, timeouts;
    uint64_t tls_handshakes, tls_resumed, tls_failures;
    uint64_t upstream_connects, upstream_reused, upstream_failures, upstream_retries;
    uint64_t upgraded, accept_failures, out_of_memory, log_failures;
    uint64_t redis_questions, redis_failures; /* failures: without an answer, or not even asked */
    /* questions to services: sent, answered from what is remembered, answers that refuse, none */
    uint64_t inquiry_questions, inquiry_remembered, inquiry_refusals, inquiry_failures;
    /* gauges, zeroed by the slot's next owner: client connections without and with a request, idle
     * connections to upstreams, connections to Redis servers, and those that do not answer */
    uint64_t idle, active, upstream_idle, redis_connections, redis_down;
    struct stats_route_shm unrouted; /* what no route took */
} __attribute__((aligned(64)));

/* A zone with room for `routes` rows a slot (sparse: untouched rows cost nothing). */
bool stats_make(struct zone *zone, uint32_t routes);
uint32_t stats_capacity(const struct zone *zone);

/* Master, at load: gives the route with that id (UUID text) and name a row, or finds the one it
 * has; rows of ids that were not kept in the latest load are reused last. -1: full. */
int stats_claim(const struct zone *zone, const char *id, const char *name, uint64_t generation);

/* The slot's own counters, for its owner. NULL: no such slot or row. stats_route() marks the row as
 * used, so ask for it when there is something to count, not for all routes at start. */
struct stats_process_shm *stats_process(const struct zone *zone, uint32_t slot);
struct stats_route_shm *stats_route(const struct zone *zone, uint32_t slot, int row);

/* Master, at reap: the gauges of a slot whose owner is gone go to 0. */
void stats_settle(const struct zone *zone, uint32_t slot);
/* Master: takes names and counters over into a fresh, larger zone (rows keep their numbers).
 * Processes that still count in the old one are not followed. */
void stats_copy(const struct zone *to, const struct zone *from);

/* Readers: sums over all slots that were ever used. Touches no row that was never written. */
void stats_sum_process(const struct zone *zone, struct stats_process_shm *out);
void stats_sum_route(const struct zone *zone, int row, struct stats_route_shm *out);
/* Row `row`'s route name, or NULL when the row is free. */
const char *stats_name(const struct zone *zone, int row);
int stats_row(const struct zone *zone, const char *id); /* -1: none */

/* Owner's increment: plain add with a relaxed store, so that readers never see a torn value. */
static inline void stats_add(uint64_t *counter, uint64_t n)
{
    __atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED);
}
void stats_latency(struct stats_route_shm *row, uint64_t us);

#endif
