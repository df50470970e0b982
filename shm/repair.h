/* SPDX-License-Identifier: Apache-2.0 */
/*
 * After a process died inside a shard's lock.
 */
#ifndef SHM_REPAIR_H
#define SHM_REPAIR_H

#include <stdint.h>

struct cache;

/* Makes everything of a shard anew that follows from its index and its chunks. Its lock is held.
 * Nothing that was published is lost, nor what living processes are filling; only the order of
 * eviction is. */
void repair_shard(struct cache *cache, uint32_t shard);

#endif
