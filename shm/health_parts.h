/* SPDX-License-Identifier: Apache-2.0 */
/* What the health*.c files share and nobody else includes: where things lie in the zone. */
#ifndef SHM_HEALTH_PARTS_H
#define SHM_HEALTH_PARTS_H

#include "shm/board.h"
#include "shm/health.h"

struct health_shm {
    _Atomic uint32_t peers, upstreams; /* capacities, powers of two; fixed */
    _Atomic uint32_t slots;            /* 1 + highest slot that ever counted */
    _Atomic uint32_t asks;             /* probes out of turn, so far */
    _Atomic uint64_t changes;          /* of any peer's state, so far */
    struct lock_shm claims;            /* of rows */
    /* By slot: it may hold trials. Without it each death would cost a look at all rows, which the
     * kernel would have to make first where they were never used. */
    _Atomic uint8_t tries[BOARD_SLOTS];
} __attribute__((aligned(64)));

/* `number` is 0 while the entry is being written, and stays so when its writer dies. */
struct health_entry_shm {
    _Atomic uint64_t number;
    int64_t real_ms;
    uint32_t took;
    uint16_t status;
    uint8_t kind, cause, source, event, state;
    uint8_t spare[5];
    char text[HEALTH_LOG_TEXT];
};

struct health_log_shm {
    _Atomic uint64_t n; /* entries begun so far */
    struct health_entry_shm entries[HEALTH_LOG];
} __attribute__((aligned(64)));

/* What a call works with: the capacities as they were when it began. */
struct health_view {
    struct health_shm *head;
    uint32_t peers_n, upstreams_n;
    struct health_peer_shm *peers;
    struct health_upstream_shm *upstreams;
    struct health_log_shm *logs; /* by row */
    char *counters;
};

/* Capacities are checked against the size of the mapping. False: the zone is not whole. */
bool health_view_of(const struct zone *zone, struct health_view *v);

/* Bytes of one slot's counters. */
uint64_t health_stride(uint32_t peers, uint32_t upstreams);

/* The peer's row number, or -1 for a pointer that leads outside. */
static inline int64_t health_number(const struct health_view *v, const struct health_peer_shm *peer)
{
    return peer >= v->peers && peer < v->peers + v->peers_n ? peer - v->peers : -1;
}

/* A line in the peer's log. */
void health_log_add(const struct zone *zone, const struct health_peer_shm *peer,
                    const struct health_entry *entry);
/* A trial that the slot held is open to others again. */
void health_state_forget(const struct health_view *v, uint32_t slot);

#endif
