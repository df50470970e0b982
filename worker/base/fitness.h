/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether an upstream may serve, and which of its peers may be used now, from the shared record of
 * each. What follows from all peers together (the threshold, the bound on ejection, panic) is
 * worked out anew only when some state or the set has changed, which costs one load to know.
 * Nothing of it is stored in shared memory: every process comes to the same conclusions.
 */
#ifndef BASE_FITNESS_H
#define BASE_FITNESS_H

#include "worker/base/peers.h"

struct fitness {
    uint64_t changes, version; /* what it was made from: health_state_changes(), the set's */
    uint64_t total, available; /* weight; available: of peers that may be used */
    bool unhealthy;            /* less is available than the threshold demands */
    bool closed;               /* and the upstream answers 503 at once */
};

/* Looks at all peers of the set, and sets their `spared`. */
void fitness_look(struct fitness *f, const struct peer_set *set, uint64_t changes);

/* The same when something may have changed. `zone`: heritage->health. */
static inline void fitness_refresh(struct fitness *f, const struct peer_set *set,
                                   const struct zone *zone)
{
    uint64_t changes = health_state_changes(zone);
    if (f->changes != changes || f->version != set->version)
        fitness_look(f, set, changes);
}

/* May this peer be used now? `now`: CLOCK_MONOTONIC ms, a peer that is out is allowed then when it
 * is time for its trial, which the caller has to take (health_state_try) before he asks it; 0: none
 * of those. */
static inline bool fitness_may_use(const struct peer *p, int64_t now)
{
    return !p->row || health_state(p->row) == HEALTH_UP || p->spared ||
           (now && health_state_may_try(p->row, now));
}

#endif
