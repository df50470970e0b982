/* SPDX-License-Identifier: Apache-2.0 */
/* Memory is used up, whatever sizes come after each other, and shards take from each other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/proc/objects.h"
#include "tests/unit/shm/store_fixture.h"

static uint64_t payload(const struct cache *cache)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < cache->g.shards; i++)
        sum += cache->shards[i].payload;
    return sum;
}

static uint64_t chunks(const struct cache *cache)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < cache->g.shards; i++)
        sum += cache->shards[i].slab.used;
    return sum;
}

/* Stores three times the memory in objects of that size; then nine tenths have to be in use. */
static void fill_with(struct fixture *f, uint32_t from, size_t size)
{
    uint64_t all = (uint64_t)f->cache->g.pages * PAGES_SIZE;
    uint32_t count = (uint32_t)(3 * all / (size + 200));
    for (uint32_t i = 0; i < count; i++) {
        if (!objects_put(f->cache, from + i, 1, size, size))
            fail_msg("store %u of size %zu failed", i, size);
    }
    struct cache_stats stats;
    cache_stats(f->cache, &stats);
    assert_int_equal(stats.no_memory, 0);
    print_message(
        "# size %zu: %u %% of the zone in use, %u %% payload, %u bytes of overhead an object\n",
        size, (unsigned)(stats.used * 100 / stats.size),
        (unsigned)(payload(f->cache) * 100 / stats.size),
        (unsigned)((stats.size - payload(f->cache)) / stats.objects));
    if (stats.used * 10 < stats.size * 9)
        fail_msg("size %zu: only %u %% of the zone is in use", size,
                 (unsigned)(stats.used * 100 / stats.size));
    fixture_audit(f->cache);
}

static void test_shifting_sizes(void **state)
{
    struct fixture f = fixture_make(32 << 20);
    (void)state;
    fill_with(&f, 0, 1024);
    fill_with(&f, 1000000, 100000);
    fill_with(&f, 2000000, 1024);
    fill_with(&f, 3000000, 40000);
    fill_with(&f, 4000000, 300);
    fill_with(&f, 5000000, 1000000);
    fill_with(&f, 6000000, 5000);
    fixture_drop(&f);
}

/* Bytes of what can be found, entries included. */
static uint64_t found(const struct cache *cache)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < cache->g.shards; i++)
        sum += cache->shards[i].lists[QUEUE_SMALL].bytes + cache->shards[i].lists[QUEUE_MAIN].bytes;
    return sum;
}

/* From 1 KiB to 100 KiB and back: at each moment of the change nine tenths of the whole zone are
 * objects that can be found, and an object of 1 KiB costs 200 bytes more than its own. */
static void test_shift_at_each_moment(void **state)
{
    static const size_t sizes[] = { 1024, 1024, 102400, 1024 };
    struct fixture f = fixture_make(32 << 20);
    struct cache_stats stats;
    uint32_t number = 0;
    (void)state;
    for (size_t phase = 0; phase < sizeof sizes / sizeof *sizes; phase++) {
        uint32_t count = (uint32_t)((32u << 20) / (sizes[phase] + 170));
        for (uint32_t i = 0; i < count; i++) {
            assert_true(objects_put(f.cache, number++, 1, sizes[phase], sizes[phase]));
            if (phase > 0)
                assert_true(found(f.cache) * 10 >= f.zone.size * UINT64_C(9));
        }
        cache_stats(f.cache, &stats);
        assert_int_equal(stats.no_memory, 0);
        if (sizes[phase] == 1024)
            assert_true(stats.overhead <= 200 * stats.objects);
    }
    fixture_drop(&f);
}

/* The same in a dictionary of 64 pages, where each page counts: 89 % on average of each change. */
static void test_shift_in_a_small_one(void **state)
{
    static const size_t sizes[] = { 1024, 1024, 102400, 1024 };
    struct fixture f = fixture_make(4 << 20);
    uint32_t number = 0;
    (void)state;
    for (size_t phase = 0; phase < sizeof sizes / sizeof *sizes; phase++) {
        uint32_t count = 2 * (uint32_t)((4u << 20) / (sizes[phase] + 170));
        uint64_t sum = 0;
        for (uint32_t i = 0; i < count; i++) {
            assert_true(objects_put(f.cache, number++, 1, sizes[phase], sizes[phase]));
            sum += found(f.cache);
        }
        print_message("# size %zu in 4 MiB: %u %% on average\n", sizes[phase],
                      (unsigned)(sum * 100 / count / f.zone.size));
        if (phase > 0)
            assert_true(sum / count > f.zone.size / 100 * 89);
    }
    fixture_drop(&f);
}

/* All sizes at once. */
static void test_mixed_sizes(void **state)
{
    struct fixture f = fixture_make(64 << 20);
    uint32_t dice = 1;
    struct cache_stats stats;
    (void)state;
    for (uint32_t i = 0; i < 20000; i++) {
        dice = dice * 1664525u + 1013904223u;
        uint32_t size = 100 + (dice >> 8) % (1u << (7 + (dice >> 28) % 11));
        assert_true(objects_put(f.cache, i, 1, size, i % 3 ? size : 0));
    }
    cache_stats(f.cache, &stats);
    assert_true(stats.evictions > 0);
    uint64_t all = (uint64_t)f.cache->g.pages * PAGES_SIZE;
    print_message("# mixed: %u %% of the pages in use\n", (unsigned)(chunks(f.cache) * 100 / all));
    assert_true(chunks(f.cache) * 10 > all * 9);
    fixture_drop(&f);
}

/* One large object takes more than its own shard has. */
static void test_shards_share(void **state)
{
    struct fixture f = fixture_make(130 << 20);
    (void)state;
    assert_int_equal(f.cache->g.shards, 2);
    for (uint32_t i = 0; i < 1000; i++)
        assert_true(objects_put(f.cache, i, 1, 200000, 200000));
    assert_true(objects_put(f.cache, 5000, 1, 90 << 20, 90 << 20));
    assert_int_equal(objects_look(f.cache, 5000), 1);
    for (uint32_t i = 10000; i < 12000; i++)
        assert_true(objects_put(f.cache, i, 1, 200000, 200000));
    assert_int_equal(objects_look(f.cache, 5000), 0);
    uint32_t a = f.cache->shards[0].slab.pages, b = f.cache->shards[1].slab.pages;
    assert_true(a * 3 > b * 2 && b * 3 > a * 2);
    fixture_drop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shifting_sizes),       cmocka_unit_test(test_shift_at_each_moment),
        cmocka_unit_test(test_shift_in_a_small_one), cmocka_unit_test(test_mixed_sizes),
        cmocka_unit_test(test_shards_share),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
