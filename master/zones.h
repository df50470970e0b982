/* SPDX-License-Identifier: Apache-2.0 */
/* The shared memory of a generation: what can be kept of the one before is kept, the rest is made.
 */
#ifndef MASTER_ZONES_H
#define MASTER_ZONES_H

#include "master/handover.h"
#include "master/master.h"

/* All zones empty, so that zones_drop() may follow at any time. */
void zones_clear(struct heritage *heritage);

/* Fills stats, health, the roster and the dictionaries, and names routes in the first. A
 * dictionary of the same name and size as in `old` (may be NULL) is the same zone. */
bool zones_take(struct generation *g, const struct generation *old, struct refusal *refusal);

/* Whether all dictionaries have the size that the configuration says: those that were inherited
 * from another master may not. */
bool zones_fit(const struct generation *g);

/* Adopts a zone into a generation that another master left, if its kind and layout are known, and
 * its header says what that master says; then the zone owns the descriptor. False: it is none of
 * ours, and the descriptor stays the caller's. */
bool zones_inherit(struct generation *legacy, const struct handover_zone *told);
/* All zones of a generation, board and tickets too, for whoever is to inherit them. Returns how
 * many. */
size_t zones_list(const struct generation *g, struct handover_zone *zones, size_t max);

/* Drops the zones of `g` that no generation in the list `others` has. Board and tickets are the
 * master's. */
void zones_drop(struct generation *g, const struct generation *others);

/* Drops one zone unless a generation of the list has it, and empties *zone. */
void zones_release(struct zone *zone, const struct generation *others);

/* A child that held `slot` is gone: its locks, counts and gauges in all zones of the list are taken
 * back. */
void zones_repair(const struct generation *all, uint32_t slot);

#endif
