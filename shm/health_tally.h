/* SPDX-License-Identifier: Apache-2.0 */
/* What each process counts of its own, in the health zone, and all read as a sum; the counts of a
 * dead process are zeroed when it is reaped (health_forget). */
#ifndef SHM_HEALTH_TALLY_H
#define SHM_HEALTH_TALLY_H

#include "shm/region.h"
#include <stdatomic.h>

enum { HEALTH_SLOTS = 256 /* as many as the board has */ };

struct health_peer_shm;
struct health_upstream_shm;

/* Where a counter lies. All zero: nowhere, its sum is 0. */
struct health_tally {
    const char *first; /* the counter of slot 0 */
    size_t stride;     /* bytes to that of the next slot */
    const _Atomic uint32_t *slots;
};
/* Of an upstream: requests under way, those of them that are retries, those that wait for a place.
 */
enum health_count { HEALTH_ACTIVE, HEALTH_RETRIES, HEALTH_WAITING, HEALTH_COUNTS };

void health_tally_peer(const struct zone *zone, const struct health_peer_shm *peer,
                       struct health_tally *out);
void health_tally_upstream(const struct zone *zone, const struct health_upstream_shm *upstream,
                           enum health_count count, struct health_tally *out);
/* The caller's own counter; NULL: none. */
_Atomic uint32_t *health_tally_own(const struct zone *zone, const struct health_tally *tally,
                                   uint32_t slot);
/* One slot's. */
static inline uint32_t health_tally_of(const struct health_tally *t, uint32_t slot)
{
    const void *at = t->first + slot * t->stride;
    return atomic_load_explicit((const _Atomic uint32_t *)at, memory_order_relaxed);
}
static inline uint32_t health_tally_slots(const struct health_tally *t)
{
    uint32_t n = t->first ? atomic_load_explicit(t->slots, memory_order_relaxed) : 0;
    return n < HEALTH_SLOTS ? n : HEALTH_SLOTS;
}
static inline uint64_t health_tally_sum(const struct health_tally *t)
{
    uint64_t sum = 0;
    for (uint32_t slot = 0, n = health_tally_slots(t); slot < n; slot++)
        sum += health_tally_of(t, slot);
    return sum;
}

/* Requests in flight to a peer: the caller's own counter (slot; NULL: no such slot or row), and the
 * sum over all slots, those of the dead being 0. */
_Atomic uint32_t *health_in_flight(const struct zone *zone, const struct health_peer_shm *peer,
                                   uint32_t slot);
uint64_t health_in_flight_sum(const struct zone *zone, const struct health_peer_shm *peer);

#endif
