/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Four processes store, read, keep, purge and give up objects of 100 bytes to 1 MB in a dictionary
 * that is far too small, all at once; the parent kills one with SIGKILL every few milliseconds,
 * breaks its locks as the master does, and starts another in its slot. Every byte that is read has
 * to follow from key and version. At the end the audit passes, and when all is purged every page is
 * free again. HAMMER_SECONDS sets how long (4), HAMMER_SEED repeats the choices of a run.
 */
#include "shm/evict.h"
#include "shm/store.h"
#include "tests/proc/children.h"
#include "tests/proc/player.h"
#include <sys/mman.h>

enum { CHILDREN = 4, PARENT_SLOT = 9 };

/* What the children know of the run. */
struct game {
    struct zone zone;
    struct children_hunt hunt;
    uint32_t large; /* of 100 objects */
};

static void live(void *arg, uint32_t slot, uint32_t kills)
{
    struct game *game = arg;
    struct player *player = calloc(1, sizeof *player);
    if (!player || !(player->cache = cache_attach(&game->zone, slot)))
        _exit(3);
    player->dice = game->hunt.dice + slot + kills;
    player->large = game->large;
    while (!atomic_load(&tally->stop))
        play(player);
    cache_detach(&player->cache);
    free(player);
    _exit(0);
}

static void bury(void *arg, uint32_t slot)
{
    cache_break(&((struct game *)arg)->zone, slot);
}

static bool enough(void *of)
{
    const struct children *c = of;
    bool in_peace = ((const struct game *)c->arg)->hunt.in_peace;
    return (in_peace || c->kills) && tally->puts > 100 && tally->hits > 10 && tally->kept > 10;
}

/* So that a large dictionary is full from the start. */
static void stuff(const struct zone *zone)
{
    struct cache *cache = cache_attach(zone, PARENT_SLOT);
    struct cache_stats stats;
    assert_non_null(cache);
    uint32_t number = OBJECTS;
    do {
        assert_true(objects_put(cache, number++, 1, 200000, 200000));
        cache_stats(cache, &stats);
    } while (stats.free_pages > 16);
    cache_detach(&cache);
}

static void run(uint64_t size, uint32_t large, bool in_peace, int64_t ms)
{
    struct game game = { .large = large,
                         .hunt = { .dice = children_seed(),
                                   .pause = 6000,
                                   .in_peace = in_peace,
                                   .ms = ms,
                                   .enough = enough } };
    struct children c = { .n = CHILDREN, .live = live, .bury = bury, .arg = &game };
    game.hunt.of = &c;
    memset(tally, 0, sizeof *tally);
    assert_true(region_make(&game.zone, ZONE_CACHE, CACHE_VERSION, "hammer", size));
    assert_true(cache_format(&game.zone));
    stuff(&game.zone);
    children_begin(&c);
    children_hunt(&c, &game.hunt);
    atomic_store(&tally->stop, 1);
    children_end(&c);
    print_message("# %u killed\n", c.kills);
    check_end(&game.zone, PARENT_SLOT);
    assert_true(tally->puts > 0 && tally->hits > 0 && tally->kept > 0);
    region_drop(&game.zone);
}

static void test_in_peace(void **state)
{
    (void)state;
    run(8 << 20, 2, true, children_seconds(4) / 4);
}

static void test_with_deaths(void **state)
{
    (void)state;
    run(8 << 20, 2, false, children_seconds(4) / 2);
}

/* Several shards, which take pages from each other. */
static void test_with_deaths_and_shards(void **state)
{
    (void)state;
    run(130 << 20, 30, false, children_seconds(4) / 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_in_peace),
        cmocka_unit_test(test_with_deaths),
        cmocka_unit_test(test_with_deaths_and_shards),
    };
    tally = mmap(NULL, sizeof *tally, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return tally == MAP_FAILED ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
