/* SPDX-License-Identifier: Apache-2.0 */
/* What is dead gives its memory back: to a sweep, and first of all to who needs room. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/proc/objects.h"
#include "tests/unit/shm/store_fixture.h"

static uint64_t used(struct cache *cache)
{
    struct cache_stats stats;
    cache_stats(cache, &stats);
    return stats.used;
}

static struct purges_label tag_of(const struct cache *cache, const char *digit)
{
    const struct iovec text = { (void *)(uintptr_t)digit, 1 };
    return purges_label(cache, PURGES_TAG, false, &text, 1);
}

/* The last digit of a number is its object's tag. */
static void see_tag(struct purges_look *look, const struct cache_hit *hit)
{
    purges_see(look, tag_of(look->cache, hit->key + hit->key_n - 1));
}

static void purge_even(struct cache *cache)
{
    purges_use(cache, see_tag);
    for (int i = 0; i < 10; i += 2) {
        const struct purges_label label = tag_of(cache, &"0123456789"[i]);
        purges_mark(cache, &label, 1, PURGES_HARD);
    }
}

static void sweep(struct cache *cache, int64_t now)
{
    uint64_t at = 0;
    while (cache_sweep(cache, now, &at, 100))
        continue;
}

/* What was purged by a label, with all else, or has outlived its time gives its memory back; what
 * somebody reads does so later; the rest stays. */
static void test_sweep(void **state)
{
    struct fixture f = fixture_make(4 << 20);
    struct cache_stats stats;
    struct cache_hit hit;
    (void)state;
    uint64_t empty = used(f.cache);
    for (uint32_t i = 0; i < 1000; i++)
        assert_true(objects_put(f.cache, i, 1, 1000, 1000));
    assert_true(objects_find(f.cache, 8, &hit) && cache_keep(f.cache, &hit));
    uint64_t full = used(f.cache);
    purge_even(f.cache);
    assert_int_equal(used(f.cache), full);
    sweep(f.cache, OBJECTS_NOW);
    assert_true(used(f.cache) - empty < (full - empty) * 6 / 10);
    assert_true(objects_whole(f.cache, &hit, 8));
    cache_unpin(f.cache, &hit);
    cache_stats(f.cache, &stats);
    assert_int_equal(stats.objects, 500);
    assert_int_equal(stats.evictions + stats.expired, 0);
    for (uint32_t i = 1; i < 1000; i += 2)
        assert_int_equal(objects_look(f.cache, i), 1);
    sweep(f.cache, OBJECTS_NOW + 1000);
    cache_stats(f.cache, &stats);
    assert_int_equal(stats.objects, 0);
    assert_int_equal(stats.expired, 500);
    for (uint32_t i = 0; i < 1000; i++)
        assert_true(objects_put(f.cache, i, 1, 1000, 1000));
    cache_purge_all(f.cache);
    sweep(f.cache, OBJECTS_NOW);
    assert_true(used(f.cache) - empty < (full - empty) / 10);
    fixture_drop(&f);
}

/* Who needs room takes what was purged, however often that was asked for before. */
static void test_dead_go_first(void **state)
{
    struct fixture f = fixture_make(4 << 20);
    (void)state;
    for (int round = 0; round < 4; round++)
        for (uint32_t i = 0; i < 2000; i++)
            if (round > 0)
                assert_int_equal(objects_look(f.cache, i), 1);
            else
                assert_true(objects_put(f.cache, i, 1, 1000, 1000));
    purge_even(f.cache);
    for (uint32_t i = 2000; i < 3800; i++)
        assert_true(objects_put(f.cache, i, 1, 1000, 1000));
    for (uint32_t i = 1; i < 2000; i += 2)
        assert_int_equal(objects_look(f.cache, i), 1);
    fixture_drop(&f);
}

enum { FLOOD_OBJECTS = 1000, FLOOD = 20000 };

/* The key is its object's tag. */
static void see_key(struct purges_look *look, const struct cache_hit *hit)
{
    const struct iovec text = { (void *)(uintptr_t)hit->key, hit->key_n };
    purges_see(look, purges_label(look->cache, PURGES_TAG, false, &text, 1));
}

static void purge_object(struct cache *cache, uint32_t number)
{
    char key[32];
    const struct iovec text = { key, objects_key(number, key) };
    const struct purges_label label = purges_label(cache, PURGES_TAG, false, &text, 1);
    purges_mark(cache, &label, 1, PURGES_HARD);
}

/* How many of the objects are there after purges of what none of them is; `swept` at their pace, or
 * not at all. */
static int left_by_a_flood(bool swept)
{
    struct fixture f = fixture_make(4 << 20);
    int left = 0;
    for (uint32_t i = 0; i < FLOOD_OBJECTS; i++)
        assert_true(objects_put(f.cache, i, 1, 1000, 1000));
    purges_use(f.cache, see_key);
    for (int i = 0; i < FLOOD; i++) {
        const struct iovec text = { &i, sizeof i };
        const struct purges_label label = purges_label(f.cache, PURGES_TAG, false, &text, 1);
        purges_mark(f.cache, &label, 1, PURGES_HARD);
        if (swept)
            cache_sweep_pace(f.cache, OBJECTS_NOW, 64);
        if (i == FLOOD / 3)
            purge_object(f.cache, 7);
    }
    assert_int_not_equal(objects_look(f.cache, 7), 1);
    for (uint32_t i = 0; i < FLOOD_OBJECTS; i++)
        left += objects_look(f.cache, i) == 1;
    fixture_drop(&f);
    return left;
}

/* Purges of ever new labels take hardly anything but what has them; what was purged among them is
 * gone. */
static void test_flood(void **state)
{
    (void)state;
    assert_true(left_by_a_flood(false) < FLOOD_OBJECTS / 10); /* or the test says nothing */
    assert_true(left_by_a_flood(true) > FLOOD_OBJECTS * 9 / 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sweep),
        cmocka_unit_test(test_dead_go_first),
        cmocka_unit_test(test_flood),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
