/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Four processes store, read, keep, purge and give up objects of 100 bytes to 1 MB in a dictionary
 * that is far too small, all at once; the parent kills one with SIGKILL every few milliseconds,
 * breaks its locks as the master does, and starts another in its slot. Every byte that is read has
 * to follow from key and version. At the end the audit passes, and when all is purged every page is
 * free again. HAMMER_SECONDS sets how long (4), HAMMER_SEED repeats the choices of a run.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "shm/evict.h"
#include "shm/store.h"
#include "tests/proc/objects.h"
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    CHILDREN = 4,
    PARENT_SLOT = 9,
    OBJECTS = 1500,
    PINS = 48,
    WRONG = 42,
    LONGEST = 60000 /* ms */,
    MILLI = 1000000 /* ns */
};

struct tally { /* shared; sums over all children */
    _Atomic uint64_t puts, refused, hits, misses, purges, kept;
    _Atomic uint32_t stop;
};

static struct tally *tally;

struct player {
    struct cache *cache;
    uint64_t dice;
    uint32_t large; /* of 100 */
    struct cache_hit pins[PINS];
    uint32_t numbers[PINS];
};

static uint32_t roll(struct player *player, uint32_t sides)
{
    player->dice = player->dice * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (uint32_t)(player->dice >> 33) % sides;
}

/* 100 bytes to 1 MB; a few large ones among many small. */
static size_t any_size(struct player *player)
{
    uint32_t what = roll(player, 100);
    uint32_t most = what < player->large ? 1000000 : what < 30 ? 65536 : 4096;
    return 100 + roll(player, most - 100);
}

/* Few are asked for often. */
static uint32_t any_number(struct player *player)
{
    return roll(player, 1 + roll(player, OBJECTS));
}

static void wrong(const char *what, uint32_t number)
{
    fprintf(stderr, "object %u: %s\n", number, what);
    _exit(WRONG);
}

static void play_put(struct player *player)
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

static void play_look(struct player *player)
{
    uint32_t number = any_number(player);
    int found = objects_look(player->cache, number);
    if (found < 0)
        wrong("is not what was stored", number);
    atomic_fetch_add(found ? &tally->hits : &tally->misses, 1);
}

/* A long pin; what was pinned there before is looked at once more, long after others may have
 * removed it. */
static void play_keep(struct player *player)
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
static void play_renew(struct player *player)
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

static void play_purge(struct player *player)
{
    uint8_t id[CACHE_ID_SIZE];
    objects_id(player->cache, any_number(player), id);
    if (roll(player, 500) == 0)
        cache_purge_all(player->cache);
    else
        cache_purge(player->cache, id);
    atomic_fetch_add(&tally->purges, 1);
}

static void play(struct player *player)
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

static _Noreturn void child(const struct zone *zone, uint32_t slot, const struct player *dice)
{
    struct player *player = calloc(1, sizeof *player);
    if (!player || !(player->cache = cache_attach(zone, slot)))
        _exit(3);
    player->dice = dice->dice + slot;
    player->large = dice->large;
    while (!atomic_load(&tally->stop))
        play(player);
    cache_detach(&player->cache);
    free(player);
    _exit(0);
}

static pid_t start(const struct zone *zone, uint32_t slot, const struct player *dice)
{
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        child(zone, slot, dice);
    return pid;
}

static int64_t clock_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / MILLI;
}

static void reap(const struct zone *zone, pid_t pid, uint32_t slot, bool killed)
{
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL && killed)
        cache_break(zone, slot);
    else if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        fail_msg("a child ended with status %x", (unsigned)status);
}

static void check_nothing_lost(struct cache *cache)
{
    uint32_t index = 0;
    for (uint32_t i = 0; i < cache->g.shards; i++) {
        store_lock(cache, i);
        while (evict_some(cache, i))
            ;
        assert_int_equal(cache->shards[i].slab.used, 0);
        store_unlock(cache, i);
    }
    for (uint32_t i = 0; i < cache->g.pages; i++)
        index += pages_kind(cache->pages[i].owner) == PAGES_INDEX;
    assert_int_equal(pages_left(cache) + index, cache->g.pages);
}

static void check_end(const struct zone *zone)
{
    struct cache *cache = cache_attach(zone, PARENT_SLOT);
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
    check_nothing_lost(cache);
    if (!cache_audit(cache, why, sizeof why))
        fail_msg("audit when all is purged: %s", why);
    cache_detach(&cache);
}

static uint64_t setting(const char *name, uint64_t otherwise)
{
    const char *value = getenv(name);
    return value && *value ? strtoull(value, NULL, 10) : otherwise;
}

/* Long enough, and enough done, however slow the machine; but not for ever. */
static bool enough(int64_t since, int64_t milliseconds, bool wait)
{
    int64_t passed = clock_ms() - since;
    bool done = !wait && tally->puts > 100 && tally->hits > 10 && tally->kept > 10;
    return passed > (done ? milliseconds : LONGEST);
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

static void run(uint64_t size, uint32_t large, bool kill_some, uint64_t milliseconds)
{
    struct player dice = { .large = large, .dice = setting("HAMMER_SEED", (uint64_t)clock_ms()) };
    struct zone zone;
    pid_t pids[CHILDREN];
    uint32_t kills = 0;
    print_message("# HAMMER_SEED=%" PRIu64 "\n", dice.dice);
    memset(tally, 0, sizeof *tally);
    assert_true(region_make(&zone, ZONE_CACHE, CACHE_VERSION, "hammer", size));
    assert_true(cache_format(&zone));
    stuff(&zone);
    for (uint32_t i = 0; i < CHILDREN; i++)
        pids[i] = start(&zone, i, &dice);
    for (int64_t since = clock_ms(); !enough(since, (int64_t)milliseconds, kill_some && !kills);) {
        const struct timespec pause = { .tv_nsec = 1 + (long)roll(&dice, 6000) * 1000 };
        nanosleep(&pause, NULL);
        uint32_t i = roll(&dice, CHILDREN);
        if (!kill_some)
            continue;
        assert_int_equal(kill(pids[i], SIGKILL), 0);
        reap(&zone, pids[i], i, true);
        pids[i] = start(&zone, i, &dice);
        kills++;
    }
    atomic_store(&tally->stop, 1);
    for (uint32_t i = 0; i < CHILDREN; i++)
        reap(&zone, pids[i], i, false);
    print_message("# %u killed\n", kills);
    check_end(&zone);
    assert_true(tally->puts > 0 && tally->hits > 0 && tally->kept > 0);
    region_drop(&zone);
}

static uint64_t share(uint64_t part)
{
    return setting("HAMMER_SECONDS", 4) * 1000 * part / 4;
}

static void test_in_peace(void **state)
{
    (void)state;
    run(8 << 20, 2, false, share(1));
}

static void test_with_deaths(void **state)
{
    (void)state;
    run(8 << 20, 2, true, share(2));
}

/* Several shards, which take pages from each other. */
static void test_with_deaths_and_shards(void **state)
{
    (void)state;
    run(130 << 20, 30, true, share(1));
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
