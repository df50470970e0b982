/* SPDX-License-Identifier: Apache-2.0 */
/* Geometry: parts do not overlap, pages fill what is left, for all sizes; what is too small is
 * refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/shm/store_fixture.h"

static void check(uint64_t size)
{
    struct store_geometry g;
    assert_true(store_geometry(size, &g));
    assert_in_range(g.shards, 1, STORE_SHARDS);
    assert_true(g.ghosts > 0);
    assert_true(128 + sizeof(struct store_shm) <= g.shards_at);
    assert_true(g.shards_at + g.shards * sizeof(struct store_shard_shm) <= g.ghosts_at);
    assert_true(g.ghosts_at + (uint64_t)g.shards * g.ghosts * sizeof(struct queue_ghosts_shm) <=
                g.buckets_at);
    assert_true(g.buckets_at + (uint64_t)g.shards * g.buckets * sizeof(struct index_bucket_shm) <=
                g.rows_at);
    assert_true(g.rows_at + (uint64_t)g.pages * sizeof(struct pages_row_shm) <=
                (uint64_t)g.first * PAGES_SIZE);
    assert_true((uint64_t)(g.first + g.pages) * PAGES_SIZE <= size);
    assert_int_equal(g.buckets_at % 64, 0);
    assert_true(size < (64u << 20) ||
                (uint64_t)g.pages * PAGES_SIZE > size / 100 * 97); /* 3 % for all else */
    assert_true(size < (4u << 20) || (uint64_t)g.pages * PAGES_SIZE > size / 100 * 92);
    assert_true((uint64_t)(g.first + g.pages) * SLAB_UNITS <= UINT64_C(1) << 32);
}

static void test_geometry(void **state)
{
    struct store_geometry g;
    (void)state;
    assert_false(store_geometry((1 << 20) - 1, &g));
    assert_true(store_geometry(4 << 20, &g));
    assert_int_equal(g.pages, 61); /* of 64 */
    for (uint64_t size = 1 << 20; size <= UINT64_C(1) << 37; size += size / 7 + 4096)
        check(size);
}

/* Ids are spread evenly over shards and buckets. */
static void test_places(void **state)
{
    struct fixture f = fixture_make(130 << 20);
    uint32_t count[STORE_SHARDS] = { 0 };
    (void)state;
    assert_int_equal(f.cache->g.shards, 2);
    for (uint32_t i = 0; i < 10000; i++) {
        uint8_t id[CACHE_ID_SIZE];
        cache_id(f.cache, (const char *)&i, sizeof i, id);
        struct index_place place = store_place(f.cache, id);
        assert_true(place.shard < 2 && place.bucket / f.cache->g.buckets == place.shard);
        count[place.shard]++;
    }
    assert_in_range(count[0], 4500, 5500);
    fixture_drop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_geometry),
        cmocka_unit_test(test_places),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
