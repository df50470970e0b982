/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A dictionary that gets another size: its content moves from one zone to another while both are in
 * use. A process that has both makes them twins: then what it purges in one is purged in the other.
 */
#ifndef SHM_CACHE_MOVE_H
#define SHM_CACHE_MOVE_H

#include "shm/cache.h"

/* Master, before anybody attaches: keys and labels hash in `zone` as they do in `like`, both laid
 * out as a cache. Copies a few bytes, and looks at none. */
void cache_move_kin(const struct zone *zone, const struct zone *like);

/* Every purge through `cache` is one through `twin` as well, after that and before it returns.
 * `twin` is another handle of the process, of a zone that is kin; NULL: no longer. */
void cache_move_twin(struct cache *cache, struct cache *twin);

struct cache_moved {
    uint64_t objects, bytes; /* that have a copy */
    uint64_t left;           /* objects that had no room, or went meanwhile */
};

/* Copies what is in `from` to `to`, which is kin and not served from yet: what is asked for most
 * comes first when not all fits; hits, order of eviction, renewed heads and soft purges are kept.
 * Others go on using `from`, and whoever can purge in it has `to` as its twin: then nothing that
 * was purged comes back. May be killed at any time; what was copied until then stays. `now`:
 * seconds since 1970. */
void cache_move(struct cache *to, struct cache *from, int64_t now, struct cache_moved *moved);

#endif
