/* SPDX-License-Identifier: Apache-2.0 */
/*
 * S3-FIFO (Yang et al., SOSP 2023) by bytes. Readers only ever raise an entry's heat to at most
 * three, with a plain store; all moves happen here, when somebody needs room. A purge of everything
 * moves both queues to the list of the dead in a few stores, whatever their length: the dead are
 * evicted before anything else.
 *
 * The ghosts are a table of fingerprints, sixteen to a cache line, each with the time of its
 * eviction, told in bytes that left the small queue; one counts while fewer bytes have left since
 * than the main queue holds. It is a hint: nothing there needs repair.
 */
#include "shm/queue.h"
#include "shm/assert.h"
#include "shm/store.h"
#include <string.h>

enum { GHOST_SHIFT = 16 };

static enum queue_list entry_list(const struct cache_entry_shm *entry)
{
    return (enum queue_list)atomic_load_explicit(&entry->list, memory_order_relaxed);
}

uint64_t queue_bytes(const struct cache *cache, uint32_t ref)
{
    const struct cache_entry_shm *entry = store_entry(cache, ref);
    return sizeof *entry + entry->key_n + entry->head_n + entry->body_n;
}

static bool published(enum queue_list list)
{
    return list == QUEUE_SMALL || list == QUEUE_MAIN || list == QUEUE_DEAD;
}

enum queue_list queue_of(const struct cache *cache, const struct store_shard_shm *shard,
                         uint32_t ref)
{
    const struct cache_entry_shm *entry = store_entry(cache, ref);
    enum queue_list list = entry_list(entry);
    return published(list) && entry->generation != shard->generation ? QUEUE_DEAD : list;
}

void queue_push(struct cache *cache, struct store_shard_shm *shard, enum queue_list list,
                uint32_t ref)
{
    struct queue_shm *queue = &shard->lists[list];
    struct cache_entry_shm *entry = store_entry(cache, ref);
    entry->prev = 0;
    entry->next = queue->head;
    atomic_store_explicit(&entry->list, (uint8_t)list, memory_order_relaxed);
    CRASH_POINT();
    if (queue->head)
        store_entry(cache, queue->head)->prev = ref;
    else
        queue->tail = ref;
    queue->head = ref;
    CRASH_POINT();
    queue->count++;
    if (published(list))
        queue->bytes += queue_bytes(cache, ref);
}

void queue_drop(struct cache *cache, struct store_shard_shm *shard, uint32_t ref)
{
    enum queue_list list = queue_of(cache, shard, ref);
    struct queue_shm *queue = &shard->lists[list];
    struct cache_entry_shm *entry = store_entry(cache, ref);
    must(list != QUEUE_NONE && queue->count > 0);
    if (entry->prev)
        store_entry(cache, entry->prev)->next = entry->next;
    else
        queue->head = entry->next;
    CRASH_POINT();
    if (entry->next)
        store_entry(cache, entry->next)->prev = entry->prev;
    else
        queue->tail = entry->prev;
    CRASH_POINT();
    queue->count--;
    if (published(list))
        queue->bytes -= queue_bytes(cache, ref);
    atomic_store_explicit(&entry->list, QUEUE_NONE, memory_order_relaxed);
}

/* The whole of one list goes to the end of another where the next victim is taken from. */
static void append(struct cache *cache, struct queue_shm *to, struct queue_shm *from)
{
    if (from->head == 0)
        return;
    store_entry(cache, from->head)->prev = to->tail;
    if (to->tail)
        store_entry(cache, to->tail)->next = from->head;
    else
        to->head = from->head;
    CRASH_POINT();
    to->tail = from->tail;
    to->count += from->count;
    to->bytes += from->bytes;
    CRASH_POINT();
    *from = (struct queue_shm){ 0 };
}

void queue_sync(struct cache *cache, struct store_shard_shm *shard)
{
    uint32_t now = atomic_load_explicit(&cache->shm->generation, memory_order_acquire);
    if (shard->generation == now)
        return;
    append(cache, &shard->lists[QUEUE_DEAD], &shard->lists[QUEUE_MAIN]);
    append(cache, &shard->lists[QUEUE_DEAD], &shard->lists[QUEUE_SMALL]);
    CRASH_POINT();
    shard->generation = now;
}

static struct queue_ghosts_shm *ghosts_of(const struct cache *cache,
                                          const struct cache_entry_shm *entry, uint32_t *print)
{
    struct index_place place = store_place(cache, entry->id);
    uint32_t line = place.bucket % cache->g.ghosts;
    *print = (place.tag >> 16 ^ place.tag) & 0xffff;
    if (*print == 0)
        *print = 1;
    return &cache->ghosts[place.shard * cache->g.ghosts + line];
}

static uint32_t ghost_age(const struct store_shard_shm *shard, uint32_t way)
{
    return ((uint32_t)(shard->ghost_clock >> GHOST_SHIFT) - way) & 0xffff;
}

static void remember(struct cache *cache, struct store_shard_shm *shard,
                     const struct cache_entry_shm *entry)
{
    uint32_t print, oldest = 0;
    struct queue_ghosts_shm *line = ghosts_of(cache, entry, &print);
    for (uint32_t i = 0; i < QUEUE_GHOST_WAYS; i++) {
        if (line->way[i] == 0 || line->way[i] >> 16 == print) {
            oldest = i;
            break;
        }
        if (ghost_age(shard, line->way[i]) > ghost_age(shard, line->way[oldest]))
            oldest = i;
    }
    line->way[oldest] = print << 16 | ((uint32_t)(shard->ghost_clock >> GHOST_SHIFT) & 0xffff);
}

static bool remembered(struct cache *cache, const struct store_shard_shm *shard,
                       const struct cache_entry_shm *entry)
{
    uint32_t print;
    struct queue_ghosts_shm *line = ghosts_of(cache, entry, &print);
    uint64_t window = (shard->lists[QUEUE_MAIN].bytes >> GHOST_SHIFT) + 1;
    for (uint32_t i = 0; i < QUEUE_GHOST_WAYS; i++) {
        if (line->way[i] >> 16 != print)
            continue;
        bool recent = ghost_age(shard, line->way[i]) <= window;
        line->way[i] = 0;
        return recent;
    }
    return false;
}

void queue_admit(struct cache *cache, struct store_shard_shm *shard, uint32_t ref)
{
    bool again = remembered(cache, shard, store_entry(cache, ref));
    queue_push(cache, shard, again ? QUEUE_MAIN : QUEUE_SMALL, ref);
}

static void move(struct cache *cache, struct store_shard_shm *shard, uint32_t ref, uint8_t heat)
{
    atomic_store_explicit(&store_entry(cache, ref)->heat, heat, memory_order_relaxed);
    queue_drop(cache, shard, ref);
    CRASH_POINT();
    queue_push(cache, shard, QUEUE_MAIN, ref);
}

/* Of no use to anybody, whatever its heat: past its time, or purged by a label. */
static bool is_useless(const struct cache *cache, const struct cache_entry_shm *entry)
{
    return store_meta(cache, entry)->keep_until < cache->now ||
           purges_judge(cache, entry) == PURGES_DEAD;
}

/* The end of the small queue: moves on, or goes and is remembered. Returns whether it goes. */
static bool leaves_small(struct cache *cache, struct store_shard_shm *shard, uint32_t ref,
                         bool stay)
{
    struct cache_entry_shm *entry = store_entry(cache, ref);
    bool useless = is_useless(cache, entry);
    shard->ghost_clock += queue_bytes(cache, ref);
    if (stay && !useless &&
        atomic_load_explicit(&entry->heat, memory_order_relaxed) >= QUEUE_PROMOTE) {
        move(cache, shard, ref, 0);
        return false;
    }
    if (!useless)
        remember(cache, shard, entry);
    return true;
}

static bool leaves_main(struct cache *cache, struct store_shard_shm *shard, uint32_t ref, bool stay)
{
    struct cache_entry_shm *entry = store_entry(cache, ref);
    uint8_t heat = atomic_load_explicit(&entry->heat, memory_order_relaxed);
    if (!stay || heat == 0 || is_useless(cache, entry))
        return true;
    move(cache, shard, ref, (uint8_t)(heat - 1));
    return false;
}

uint32_t queue_victim(struct cache *cache, struct store_shard_shm *shard)
{
    const struct queue_shm *small = &shard->lists[QUEUE_SMALL], *main = &shard->lists[QUEUE_MAIN];
    queue_sync(cache, shard);
    if (shard->lists[QUEUE_DEAD].tail)
        return shard->lists[QUEUE_DEAD].tail;
    for (int round = 0;; round++) {
        bool stay =
            round < QUEUE_ROUNDS; /* who is asked for all the time goes as well when all are */
        bool from_small = small->tail && (!main->tail || small->bytes * QUEUE_SMALL_SHARE >=
                                                             small->bytes + main->bytes);
        uint32_t ref = from_small ? small->tail : main->tail;
        if (ref == 0)
            return 0;
        if (from_small ? leaves_small(cache, shard, ref, stay)
                       : leaves_main(cache, shard, ref, stay))
            return ref;
    }
}

static const char *list_fault(const struct cache *cache, const struct store_shard_shm *shard,
                              enum queue_list list)
{
    const struct queue_shm *queue = &shard->lists[list];
    uint32_t count = 0, before = 0;
    uint64_t bytes = 0;
    uint32_t number = (uint32_t)(shard - cache->shards);
    for (uint32_t ref = queue->head; ref != 0; before = ref, ref = store_entry(cache, ref)->next) {
        if (!slab_valid(cache, number, ref) || ++count > queue->count)
            return "a list leads astray, or is longer than its count";
        if (store_entry(cache, ref)->prev != before || queue_of(cache, shard, ref) != list)
            return "an entry is not on the list that it says";
        bytes += published(list) ? queue_bytes(cache, ref) : 0;
    }
    if (count != queue->count || before != queue->tail)
        return "a list ends before its count does";
    return bytes == queue->bytes ? NULL : "a list does not count its bytes right";
}

const char *queue_fault(const struct cache *cache, const struct store_shard_shm *shard,
                        uint64_t *entries)
{
    const char *fault = NULL;
    for (int list = QUEUE_FILLS; list < QUEUE_LISTS && !fault; list++) {
        fault = list_fault(cache, shard, (enum queue_list)list);
        *entries += shard->lists[list].count;
    }
    return fault;
}
