/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One row a peer and one a upstream, found by identity, so that a reload keeps what is known of
 * those that stay. This is the only truth about health: the checker and the workers' passive counts
 * change it, a worker reads it at each choice. In-flight counts are per board slot, summed by
 * readers, so that a dead worker's share disappears with it.
 */
#ifndef SHM_HEALTH_H
#define SHM_HEALTH_H

#include "shm/region.h"
#include <stdatomic.h>

enum { HEALTH_VERSION = 1 };

enum health_state { HEALTH_UP, HEALTH_DOWN };

struct health_peer_shm {
    _Atomic uint64_t identity; /* 0 = free */
    _Atomic uint32_t state;    /* enum health_state */
    _Atomic uint32_t spare;
    _Atomic uint64_t since; /* of the state; seconds since 1970 */
    _Atomic uint64_t requests, failures, connects;
    _Atomic uint64_t generation; /* the latest load that named it */
    char name[64];               /* "upstream/127.0.0.1:9001" */
} __attribute__((aligned(64)));

struct health_upstream_shm {
    _Atomic uint64_t identity;
    _Atomic uint64_t
        turn; /* round-robin: the next position of the one sequence that all workers share */
    _Atomic uint64_t generation;
    char name[64];
} __attribute__((aligned(64)));

/* A zone with ample room for so many rows (sparse: unused ones cost nothing). */
bool health_make(struct zone *zone, uint32_t peers, uint32_t upstreams);
/* Whether a load of that size can be claimed beside the rows of the load that still runs. */
bool health_fits(const struct zone *zone, uint32_t peers, uint32_t upstreams);
/* Master, at load. Finds or gives a row; NULL: full. */
struct health_peer_shm *health_claim_peer(const struct zone *zone, uint64_t identity,
                                          const char *name, uint64_t generation);
struct health_upstream_shm *health_claim_upstream(const struct zone *zone, uint64_t identity,
                                                  const char *name, uint64_t generation);
/* The identity of an upstream's row, made of its id (a UUID in text, the same over reloads): master
 * and workers have to ask for the same one. Never 0. */
static inline uint64_t health_upstream_identity(const char *uuid)
{
    uint64_t h = 14695981039346656037ULL; /* FNV-1a */
    for (; *uuid; uuid++)
        h = (h ^ (unsigned char)*uuid) * 1099511628211ULL;
    return h ? h : 1;
}

/* Any process: the row of that identity, or NULL. */
struct health_peer_shm *health_peer(const struct zone *zone, uint64_t identity);
struct health_upstream_shm *health_upstream(const struct zone *zone, uint64_t identity);

/* Requests in flight to a peer: the caller's own counter (slot; NULL: no such slot or row), and the
 * sum over all slots, those of the dead being 0. */
_Atomic uint32_t *health_in_flight(const struct zone *zone, const struct health_peer_shm *peer,
                                   uint32_t slot);
uint64_t health_in_flight_sum(const struct zone *zone, const struct health_peer_shm *peer);
/* Master, at reap: zeroes all counters of a slot. */
void health_forget(const struct zone *zone, uint32_t slot);
/* Master: carries state and counts of the peers that a fresh, larger zone has claimed over from the
 * old one. */
void health_copy(const struct zone *to, const struct zone *from);

#endif
