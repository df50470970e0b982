/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Getting memory when there is none left: from the own shard, or from the one that has most.
 */
#ifndef SHM_ROOM_H
#define SHM_ROOM_H

#include <stdint.h>

struct cache;

/* A chunk of that class for that shard, whose lock is held when this returns a chunk, so that the
 * caller can say whose it is; 0: nothing that can go is left anywhere, and no lock is held. No lock
 * of a shard may be held before. */
uint32_t room_chunk(struct cache *cache, uint32_t shard, uint32_t class);

/* A whole page; 0: none can be had. No lock of a shard may be held. */
uint32_t room_page(struct cache *cache, uint32_t owner);
/* Tries to bring a page back to the pool from that shard, whose lock is held. */
void room_pool(struct cache *cache, uint32_t shard);

#endif
