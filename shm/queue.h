/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lists that every entry is on, one at a time, and the order of eviction: S3-FIFO, counted in
 * bytes. A new object enters a small queue (a twentieth of the bytes); if it was asked for again
 * by the time it reaches the end, it moves to the main queue, else it goes and leaves a
 * fingerprint behind. An object whose fingerprint is still there when it comes back enters the main
 * queue at once; there it gets another round for each of up to three recent hits. A scan of objects
 * that nobody asks for twice passes through the small queue alone. Under the shard's lock.
 */
#ifndef SHM_QUEUE_H
#define SHM_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

struct cache;
struct store_shard_shm;

/* Which list an entry is on, which is also its state. DEAD: published before the latest purge of
 * everything; such an entry may still say QUEUE_SMALL or QUEUE_MAIN, since lists are moved as a
 * whole: ask queue_of(). */
enum queue_list {
    QUEUE_NONE,
    QUEUE_FILLS,
    QUEUE_SMALL,
    QUEUE_MAIN,
    QUEUE_DEAD,
    QUEUE_LIMBO,
    QUEUE_LISTS
};

enum { QUEUE_HEAT = 3, QUEUE_GHOST_WAYS = 16 };
/* The policy, which shm/advice.c follows: the small queue has one in so many of the bytes; who has
 * had so many hits leaves it upwards; and after so many second chances nobody gets one. */
enum { QUEUE_SMALL_SHARE = 20, QUEUE_PROMOTE = 1, QUEUE_ROUNDS = 256 };

struct queue_shm {
    uint32_t head, tail; /* entries; new ones at the head */
    uint32_t count, spare;
    uint64_t bytes;
};

struct queue_ghosts_shm { /* fingerprint << 16 | when, in 64 KiB of bytes that left the small queue
                           */
    uint32_t way[QUEUE_GHOST_WAYS];
};

void queue_push(struct cache *cache, struct store_shard_shm *shard, enum queue_list list,
                uint32_t ref);
/* Takes the entry off the list that it is on. */
void queue_drop(struct cache *cache, struct store_shard_shm *shard, uint32_t ref);
/* The list that the entry is on. */
enum queue_list queue_of(const struct cache *cache, const struct store_shard_shm *shard,
                         uint32_t ref);

/* All that was published before the latest purge of everything becomes QUEUE_DEAD. Before each use
 * of the lists. */
void queue_sync(struct cache *cache, struct store_shard_shm *shard);
/* A published entry enters the small or the main queue. */
void queue_admit(struct cache *cache, struct store_shard_shm *shard, uint32_t ref);
/* Who has to go next, still on its list; 0: nobody is left. */
uint32_t queue_victim(struct cache *cache, struct store_shard_shm *shard);

/* Bytes that an entry counts for. */
uint64_t queue_bytes(const struct cache *cache, uint32_t ref);
/* Audit: links, counts, bytes and states of the lists. NULL or what is wrong; *entries: on all
 * lists. */
const char *queue_fault(const struct cache *cache, const struct store_shard_shm *shard,
                        uint64_t *entries);

#endif
