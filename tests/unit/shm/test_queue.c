/* SPDX-License-Identifier: Apache-2.0 */
/* The order of eviction: what is asked for again stays through a scan, ghosts are remembered, the
 * dead go first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/proc/objects.h"
#include "tests/unit/shm/store_fixture.h"

static uint64_t in_list(const struct cache *cache, enum queue_list list)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i < cache->g.shards; i++)
        count += cache->shards[i].lists[list].count;
    return count;
}

static int alive(struct cache *cache, uint32_t from, uint32_t to)
{
    int count = 0;
    struct cache_hit hit;
    for (uint32_t number = from; number < to; number++) {
        if (objects_find(cache, number, &hit)) {
            cache_unpin(cache, &hit);
            count++;
        }
    }
    return count;
}

/* Half of the memory is a working set, asked for a few times; then ten times the memory passes by,
 * once each. */
static void test_scan_does_not_wash_away(void **state)
{
    struct fixture f = fixture_make(16 << 20);
    (void)state;
    for (uint32_t i = 0; i < 5000; i++)
        assert_true(objects_put(f.cache, i, 1, 1000, 1000));
    for (int round = 0; round < 3; round++)
        assert_int_equal(alive(f.cache, 0, 5000), 5000);
    for (uint32_t i = 0; i < 100000; i++) {
        assert_true(objects_put(f.cache, 10000 + i, 1, 1000, 1000));
        if (i % 20 == 0) /* it is asked for now and then */
            alive(f.cache, i / 20 % 5000, i / 20 % 5000 + 1);
    }
    int left = alive(f.cache, 0, 5000);
    if (left < 4900)
        fail_msg("only %d of 5000 objects survived the scan", left);
    fixture_drop(&f);
}

/* Sizes mixed, so that pages have to change size meanwhile. */
static void test_scan_of_mixed_sizes(void **state)
{
    struct fixture f = fixture_make(64 << 20);
    uint32_t dice = 1;
    (void)state;
    for (uint32_t i = 0; i < 5000; i++)
        assert_true(objects_put(f.cache, i, 1, 500 + i % 7000, 500 + i % 7000));
    for (int round = 0; round < 3; round++)
        assert_int_equal(alive(f.cache, 0, 5000), 5000);
    for (uint32_t i = 0; i < 20000; i++) {
        dice = dice * 1664525u + 1013904223u;
        uint32_t size = 200 + (dice >> 8) % (dice >> 28 ? 4000 : 200000);
        assert_true(objects_put(f.cache, 10000 + i, 1, size, size));
        if (i % 4 == 0)
            alive(f.cache, i / 4 % 5000, i / 4 % 5000 + 1);
    }
    int left = alive(f.cache, 0, 5000);
    print_message("# %d of 5000 survived\n", left);
    if (left < 4000)
        fail_msg("only %d of 5000 objects survived the scan", left);
    fixture_drop(&f);
}

static void test_ghost_comes_back_to_main(void **state)
{
    struct fixture f = fixture_make(4 << 20);
    (void)state;
    for (uint32_t i = 0; f.cache->shards[0].evictions == 0; i++)
        assert_true(objects_put(f.cache, i, 1, 1000, 1000));
    assert_int_equal(alive(f.cache, 0, 1), 0);
    uint64_t before = in_list(f.cache, QUEUE_MAIN);
    assert_true(objects_put(f.cache, 0, 1, 1000, 1000));
    assert_int_equal(in_list(f.cache, QUEUE_MAIN), before + 1);
    assert_true(objects_put(f.cache, 1000000, 1, 1000, 1000));
    assert_int_equal(in_list(f.cache, QUEUE_MAIN), before + 1);
    fixture_drop(&f);
}

static void test_dead_go_first(void **state)
{
    struct fixture f = fixture_make(4 << 20);
    struct cache_stats stats;
    (void)state;
    for (uint32_t i = 0; i < 1500; i++)
        assert_true(objects_put(f.cache, i, 1, 2000, 2000));
    cache_purge_all(f.cache);
    for (uint32_t i = 0; i < 1200; i++)
        assert_true(objects_put(f.cache, i, 2, 2000, 2000));
    assert_int_equal(alive(f.cache, 0, 1200), 1200);
    cache_stats(f.cache, &stats);
    assert_int_equal(stats.evictions, 0);
    assert_int_equal(stats.objects, 1200);
    fixture_drop(&f);
}

/* Past their time they go without being counted as evicted, asked for or not. */
static void test_expired_go(void **state)
{
    struct fixture f = fixture_make(4 << 20);
    struct cache_stats stats;
    (void)state;
    for (uint32_t i = 0; i < 1000; i++)
        assert_true(objects_put(f.cache, i, 1, 2000, 2000));
    for (int round = 0; round < 3; round++)
        assert_int_equal(alive(f.cache, 0, 1000), 1000);
    f.cache->now = OBJECTS_NOW + 100;
    for (uint32_t i = 5000; i < 6000; i++)
        assert_true(objects_put(f.cache, i, 1, 2000, 2000));
    cache_stats(f.cache, &stats);
    assert_true(stats.expired > 100);
    assert_int_equal(stats.evictions, 0);
    fixture_drop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scan_does_not_wash_away),
        cmocka_unit_test(test_scan_of_mixed_sizes),
        cmocka_unit_test(test_ghost_comes_back_to_main),
        cmocka_unit_test(test_dead_go_first),
        cmocka_unit_test(test_expired_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
