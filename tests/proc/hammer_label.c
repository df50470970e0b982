/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Purges against fills, renewals and readers of several processes, which the parent kills with
 * SIGKILL every few milliseconds. Each number has a version in an origin that all share. A purger
 * makes new versions of some numbers, purges them by a label that they have in common, and when the
 * purge has returned says which version readers may expect from then on. A reader notes what it may
 * expect, looks into the cache, and must not find anything older: after a hard purge at all, after
 * a soft one unless it is told that it is stale. HAMMER_SECONDS sets how long (4), HAMMER_SEED
 * repeats the choices of a run.
 */
#include "shm/purges.h"
#include "shm/store.h"
#include "tests/proc/children.h"
#include <string.h>
#include <sys/mman.h>

enum { CHILDREN = 5, NUMBERS = 400, TAGS = 7, TENS = 10, NOW = 1000, WRONG = 42 };

struct world { /* shared by all */
    _Atomic uint64_t version[NUMBERS], hard[NUMBERS], soft[NUMBERS];
    _Atomic uint64_t puts, refused, hits, stale, renewed, purges;
    _Atomic uint32_t stop;
};

static struct world *world;

struct player {
    struct cache *cache;
    uint64_t dice;
};

static uint32_t roll(struct player *player, uint32_t sides)
{
    return children_roll(&player->dice, sides);
}

static size_t key_of(uint32_t number, char key[16])
{
    return (size_t)snprintf(key, 16, "/%03u", number);
}

static struct purges_label tag_of(const struct cache *cache, uint32_t number)
{
    uint32_t tag = number % TAGS;
    const struct iovec text = { &tag, sizeof tag };
    return purges_label(cache, PURGES_TAG, false, &text, 1);
}

static void see(struct purges_look *look, const struct cache_hit *hit)
{
    const struct iovec key = { (void *)(uintptr_t)hit->key, hit->key_n };
    uint32_t number = 0;

    for (uint32_t i = 1; i < hit->key_n; i++)
        number = number * 10 + (uint32_t)(hit->key[i] - '0');
    if (purges_wants(look, PURGES_TAG))
        purges_see(look, tag_of(look->cache, number));
    if (purges_wants(look, PURGES_PATH))
        purges_see_prefixes(look, PURGES_PATH, false, &key, 1);
}

static void wrong(const char *what, uint32_t number, uint64_t got, uint64_t want)
{
    fprintf(stderr, "number %u: %s: version %" PRIu64 ", not %" PRIu64 "\n", number, what, got,
            want);
    _exit(WRONG);
}

/* --- what they do --------------------------------------------------------------------------- */

static bool find(struct player *player, uint32_t number, struct cache_hit *hit, uint64_t *version)
{
    uint8_t id[CACHE_ID_SIZE];
    char key[16];
    size_t n = key_of(number, key);
    cache_id(player->cache, key, n, id);
    if (!cache_find(player->cache, id, key, n, NOW, hit))
        return false;
    memcpy(version, hit->head, sizeof *version);
    return true;
}

/* The number of the latest purge is noted before the origin is asked, as a worker does. */
static void play_put(struct player *player)
{
    uint32_t number = roll(player, NUMBERS);
    struct cache_meta meta = { .keep_until = NOW,
                               .fresh_for = 60,
                               .born = cache_sequence(player->cache) };
    uint64_t version = atomic_load(&world->version[number]);
    uint8_t id[CACHE_ID_SIZE];
    char key[16], body[512] = { 0 };
    size_t n = key_of(number, key);
    cache_id(player->cache, key, n, id);
    struct cache_fill *fill = cache_fill_begin(player->cache, id, key, n, &meta,
                                               (const char *)&version, sizeof version, 0);
    if (!fill)
        return;
    for (uint32_t i = roll(player, 20); i > 0 && fill; i--)
        if (!cache_fill_append(fill, body, sizeof body))
            cache_fill_abort(&fill);
    if (fill)
        atomic_fetch_add(cache_fill_commit(&fill) ? &world->puts : &world->refused, 1);
}

static void play_look(struct player *player)
{
    uint32_t number = roll(player, NUMBERS);
    uint64_t hard = atomic_load(&world->hard[number]), soft = atomic_load(&world->soft[number]);
    uint64_t version;
    struct cache_hit hit;
    if (!find(player, number, &hit, &version))
        return;
    if (version < hard)
        wrong("came back after a purge", number, version, hard);
    if (version < soft && !hit.soft)
        wrong("is fresh after a soft purge", number, version, soft);
    atomic_fetch_add(hit.soft ? &world->stale : &world->hits, 1);
    cache_unpin(player->cache, &hit);
}

/* As a 304 does: the origin still has that version. */
static void play_renew(struct player *player)
{
    uint32_t number = roll(player, NUMBERS);
    struct cache_hit hit;
    uint64_t version;
    if (!find(player, number, &hit, &version))
        return;
    struct cache_meta meta = { .keep_until = NOW,
                               .fresh_for = 60,
                               .born = cache_sequence(player->cache) };
    if (cache_keep(player->cache, &hit) && atomic_load(&world->version[number]) == version &&
        cache_update(player->cache, &hit, &meta, (const char *)&version, sizeof version))
        atomic_fetch_add(&world->renewed, 1);
    cache_unpin(player->cache, &hit);
}

enum by { BY_ID, BY_TAG, BY_PREFIX, BY_ALL };

static bool is_of(enum by by, uint32_t number, uint32_t chosen)
{
    switch (by) {
    case BY_ID:
        return number == chosen;
    case BY_TAG:
        return number % TAGS == chosen % TAGS;
    case BY_PREFIX:
        return number / TENS == chosen / TENS;
    default:
        return true;
    }
}

static struct purges_label label_of(const struct cache *cache, enum by by, uint32_t chosen)
{
    uint8_t id[CACHE_ID_SIZE];
    char key[16];
    size_t n = key_of(chosen, key);
    struct iovec text = { key, n - 1 }; /* all but the last digit */
    if (by == BY_TAG)
        return tag_of(cache, chosen);
    if (by == BY_PREFIX)
        return purges_label(cache, PURGES_PATH, false, &text, 1);
    cache_id(cache, key, n, id);
    text = (struct iovec){ id, sizeof id };
    return by == BY_ID ? purges_label(cache, PURGES_KEY, false, &text, 1)
                       : (struct purges_label){ .kind = PURGES_ALL };
}

static void expect(_Atomic uint64_t *at, uint64_t version)
{
    uint64_t seen = atomic_load(at);
    while (seen < version && !atomic_compare_exchange_weak(at, &seen, version))
        ;
}

static void play_purge(struct player *player)
{
    uint32_t what = roll(player, 100), chosen = roll(player, NUMBERS);
    enum by by = what < 60 ? BY_ID : what < 85 ? BY_TAG : what < 99 ? BY_PREFIX : BY_ALL;
    enum purges_force force = roll(player, 2) ? PURGES_SOFT : PURGES_HARD;
    struct purges_label label = label_of(player->cache, by, chosen);
    uint64_t made[NUMBERS];
    for (uint32_t i = 0; i < NUMBERS; i++)
        if (is_of(by, i, chosen))
            made[i] = atomic_fetch_add(&world->version[i], 1) + 1;
    if (by == BY_ALL && force == PURGES_HARD)
        cache_purge_all(player->cache);
    else
        purges_mark(player->cache, &label, 1, force);
    _Atomic uint64_t *expected = force == PURGES_HARD ? world->hard : world->soft;
    for (uint32_t i = 0; i < NUMBERS; i++)
        if (is_of(by, i, chosen))
            expect(&expected[i], made[i]);
    atomic_fetch_add(&world->purges, 1);
}

static void play(struct player *player)
{
    uint32_t what = roll(player, 100);
    if (what < 25)
        play_put(player);
    else if (what < 80)
        play_look(player);
    else if (what < 95)
        play_renew(player);
    else
        play_purge(player);
}

/* --- the parent ----------------------------------------------------------------------------- */

struct game {
    struct zone zone;
    struct children_hunt hunt;
};

static void live(void *arg, uint32_t slot, uint32_t kills)
{
    struct game *game = arg;
    struct player player = { .cache = cache_attach(&game->zone, slot),
                             .dice = game->hunt.dice + slot + kills };
    if (!player.cache)
        _exit(3);
    purges_use(player.cache, see);
    while (!atomic_load(&world->stop))
        play(&player);
    cache_detach(&player.cache);
    _exit(0);
}

static void bury(void *arg, uint32_t slot)
{
    cache_break(&((struct game *)arg)->zone, slot);
}

static bool enough(void *of)
{
    const struct children *c = of;
    return c->kills > 20 && world->puts > 1000 && world->hits > 1000 && world->stale > 100 &&
           world->renewed > 100 && world->purges > 500 && world->refused > 0;
}

static void test_nothing_older_after_a_purge(void **state)
{
    struct game game = { .hunt = { .dice = children_seed(),
                                   .pause = 20000,
                                   .ms = children_seconds(4),
                                   .enough = enough } };
    struct children c = { .n = CHILDREN, .live = live, .bury = bury, .arg = &game };
    char why[256];
    (void)state;
    game.hunt.of = &c;
    assert_true(region_make(&game.zone, ZONE_CACHE, CACHE_VERSION, "hammer", 2 << 20));
    assert_true(cache_format(&game.zone));
    children_begin(&c);
    children_hunt(&c, &game.hunt);
    atomic_store(&world->stop, 1);
    children_end(&c);
    print_message("# puts %" PRIu64 " refused %" PRIu64 " hits %" PRIu64 " stale %" PRIu64
                  " renewed %" PRIu64 " purges %" PRIu64 ", %u killed\n",
                  world->puts, world->refused, world->hits, world->stale, world->renewed,
                  world->purges, c.kills);
    assert_true(world->hits > 1000 && world->stale > 100 && world->purges > 500);
    struct cache *cache = cache_attach(&game.zone, CHILDREN);
    if (!cache_audit(cache, why, sizeof why))
        fail_msg("audit: %s", why);
    cache_detach(&cache);
    region_drop(&game.zone);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_nothing_older_after_a_purge) };
    world = mmap(NULL, sizeof *world, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return world == MAP_FAILED ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
