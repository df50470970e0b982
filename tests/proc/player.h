/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process that stores, reads, keeps, renews, purges and gives up objects in any order. Every byte
 * that it reads has to follow from key and version; where one does not, it ends with WRONG. For the
 * hammers, which include this after CMocka.
 */
#ifndef TESTS_PLAYER_H
#define TESTS_PLAYER_H

#include "shm/evict.h"
#include "shm/store.h"
#include "tests/proc/children.h"
#include "tests/proc/objects.h"

enum { OBJECTS = 1500, PINS = 48, WRONG = 42 };

struct tally { /* shared; sums over all children */
    _Atomic uint64_t puts, refused, hits, misses, purges, kept;
    _Atomic uint32_t stop;
};

static struct tally *tally; /* the test's */

struct player {
    struct cache *cache;
    uint64_t dice;
    uint32_t large; /* of 100 */
    struct cache_hit pins[PINS];
    uint32_t numbers[PINS];
};

static inline uint32_t roll(struct player *player, uint32_t sides)
{
    return children_roll(&player->dice, sides);
}

/* 100 bytes to 1 MB; a few large ones among many small. */
static inline size_t any_size(struct player *player)
{
    uint32_t what = roll(player, 100);
    uint32_t most = what < player->large ? 1000000 : what < 30 ? 65536 : 4096;
    return 100 + roll(player, most - 100);
}

/* Few are asked for often. */
static inline uint32_t any_number(struct player *player)
{
    return roll(player, 1 + roll(player, OBJECTS));
}

static inline void wrong(const char *what, uint32_t number)
{
    fprintf(stderr, "object %u: %s\n", number, what);
    _exit(WRONG);
}

static inline void play_put(struct player *player)
{
    uint32_t number = any_number(player), version = roll(player, 1u << 30);
    size_t size = any_size(player);
    struct cache_fill *fill =
        objects_begin(player->cache, number, version, size, roll(player, 3) ? size : 0);
    if (!fill)
        return;
    if (!objects_append(fill, number, version, size) || roll(player, 16) == 0)
        cache_fill_abort(&fill);
    else if (!cache_fill_commit(&fill))
        atomic_fetch_add(&tally->refused, 1);
    else
        atomic_fetch_add(&tally->puts, 1);
}

static inline void play_look(struct player *player)
{
    uint32_t number = any_number(player);
    int found = objects_look(player->cache, number);
    if (found < 0)
        wrong("is not what was stored", number);
    atomic_fetch_add(found ? &tally->hits : &tally->misses, 1);
}

/* A long pin; what was pinned there before is looked at once more, long after others may have
 * removed it. */
static inline void play_keep(struct player *player)
{
    uint32_t i = roll(player, PINS), number = any_number(player);
    struct cache_hit *hit = &player->pins[i];
    if (hit->entry) {
        if (!objects_whole(player->cache, hit, player->numbers[i]))
            wrong("changed while it was pinned", player->numbers[i]);
        cache_unpin(player->cache, hit);
    }
    player->numbers[i] = number;
    if (objects_find(player->cache, number, hit) && cache_keep(player->cache, hit))
        atomic_fetch_add(&tally->kept, 1);
}

/* Another head for what is there; the version and size in it stay, a third line says how often it
 * changed. */
static inline void play_renew(struct player *player)
{
    uint32_t number = any_number(player);
    struct cache_hit hit;
    char head[64];
    if (!objects_find(player->cache, number, &hit))
        return;
    const char *end = memchr(hit.head, 'N', hit.head_n);
    size_t n = end ? (size_t)(end - hit.head) : hit.head_n;
    memcpy(head, hit.head, n);
    n += (size_t)snprintf(head + n, sizeof head - n, "N: %u\r\n", roll(player, 1000));
    struct cache_meta meta = { .stored = hit.meta->stored, .keep_until = hit.meta->keep_until };
    cache_update(player->cache, &hit, &meta, head, n);
    if (!objects_whole(player->cache, &hit, number))
        wrong("changed with its head", number);
    cache_unpin(player->cache, &hit);
}

static inline void play_purge(struct player *player)
{
    uint8_t id[CACHE_ID_SIZE];
    objects_id(player->cache, any_number(player), id);
    if (roll(player, 500) == 0)
        cache_purge_all(player->cache);
    else
        cache_purge(player->cache, id);
    atomic_fetch_add(&tally->purges, 1);
}

static inline void play(struct player *player)
{
    uint32_t what = roll(player, 100);
    if (what < 45)
        play_put(player);
    else if (what < 80)
        play_look(player);
    else if (what < 89)
        play_keep(player);
    else if (what < 94)
        play_renew(player);
    else
        play_purge(player);
}

/* When all have gone: the audit passes, every object is whole, and nothing is lost. */
static inline void check_end(const struct zone *zone, uint32_t slot)
{
    struct cache *cache = cache_attach(zone, slot);
    struct cache_stats stats;
    uint64_t repairs = 0;
    char why[256];
    assert_non_null(cache);
    if (!cache_audit(cache, why, sizeof why))
        fail_msg("audit: %s", why);
    for (uint32_t number = 0; number < OBJECTS; number++)
        assert_true(objects_look(cache, number) >= 0);
    cache_stats(cache, &stats);
    for (uint32_t i = 0; i < cache->g.shards; i++)
        repairs += cache->shards[i].repairs;
    print_message("# puts %" PRIu64 " refused %" PRIu64 " hits %" PRIu64 " misses %" PRIu64
                  " kept %" PRIu64 " purges %" PRIu64 " evictions %" PRIu64 " no_memory %" PRIu64
                  " repairs %" PRIu64 "\n",
                  tally->puts, tally->refused, tally->hits, tally->misses, tally->kept,
                  tally->purges, stats.evictions, stats.no_memory, repairs);
    cache_purge_all(cache);
    objects_check_nothing_lost(cache);
    if (!cache_audit(cache, why, sizeof why))
        fail_msg("audit when all is purged: %s", why);
    cache_detach(&cache);
}

#endif
