/* SPDX-License-Identifier: Apache-2.0 */
/* Buckets: what is put is found and dropped, full ones are continued and shrink again, repair drops
 * what leads nowhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "shm/evict.h"
#include "tests/proc/objects.h"
#include "tests/unit/shm/store_fixture.h"

enum { CROWD = 40 };

static uint32_t crowd[CROWD];

/* Numbers of objects that fall into one bucket. */
static void gather(struct cache *cache)
{
    uint8_t id[CACHE_ID_SIZE];
    uint32_t n = 0, bucket = 0;
    for (uint32_t number = 0; n < CROWD; number++) {
        objects_id(cache, number, id);
        uint32_t mine = store_place(cache, id).bucket;
        if (n == 0)
            bucket = mine;
        if (mine == bucket)
            crowd[n++] = number;
    }
}

static void test_crowded_bucket(void **state)
{
    struct fixture f = fixture_make(2 << 20);
    uint8_t id[CACHE_ID_SIZE];
    (void)state;
    gather(f.cache);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < CROWD; i++)
            assert_true(objects_put(f.cache, crowd[i], 1, 100, 100));
        for (int i = 0; i < CROWD; i++)
            assert_int_equal(objects_look(f.cache, crowd[i]), 1);
        fixture_audit(f.cache);
        for (int i = 0; i < CROWD; i++) {
            objects_id(f.cache, crowd[(i * 17) % CROWD], id);
            assert_int_equal(cache_purge(f.cache, id), 1);
            assert_int_equal(objects_look(f.cache, crowd[(i * 17) % CROWD]), 0);
            fixture_audit(f.cache);
        }
    }
    assert_int_equal(store_row(f.cache, f.cache->shards[0].index_page)->carved,
                     (CROWD - 1) / INDEX_SLOTS); /* used again */
    fixture_drop(&f);
}

/* Without a page for overflow buckets another object of the bucket gives way, and the store
 * succeeds. */
static void test_full_and_no_page(void **state)
{
    struct fixture f = fixture_make(2 << 20);
    int left = 0;
    (void)state;
    gather(f.cache);
    assert_true(objects_put(f.cache, crowd[0], 1, 100, 100));
    while (pages_take(f.cache, pages_owner(PAGES_LEDGER, 0, 200)) != 0)
        ;
    for (int i = 1; i < CROWD; i++) {
        assert_true(objects_put(f.cache, crowd[i], 1, 100, 100));
        assert_int_equal(objects_look(f.cache, crowd[i]), 1);
        fixture_audit(f.cache);
    }
    for (int i = 0; i < CROWD; i++)
        left += objects_look(f.cache, crowd[i]);
    assert_in_range(left, 1, INDEX_SLOTS);
    pages_sweep(f.cache, pages_owner(PAGES_LEDGER, 0, 200));
    fixture_drop(&f);
}

static void test_repair(void **state)
{
    struct fixture f = fixture_make(2 << 20);
    uint8_t id[CACHE_ID_SIZE];
    (void)state;
    gather(f.cache);
    for (int i = 0; i < CROWD; i++)
        assert_true(objects_put(f.cache, crowd[i], 1, 100, 100));
    objects_id(f.cache, crowd[0], id);
    struct index_place place = store_place(f.cache, id);
    f.cache->buckets[place.bucket].slot[3] = 0xdeadbeef12345; /* leads nowhere */
    f.cache->buckets[place.bucket].slot[2] = f.cache->buckets[place.bucket].slot[1]; /* twice */
    f.cache->shards[0].index_free = 12345;
    f.cache->shm->shard_lock[0].lock.suspect = 1;
    fixture_audit(f.cache);
    int left = 0;
    for (int i = 0; i < CROWD; i++)
        left += objects_look(f.cache, crowd[i]);
    assert_int_equal(left, CROWD - 2);
    fixture_drop(&f);
}

/* Marks are counted in 16 bits: one that an overflow bucket was left with comes round again. */
static void test_old_marks(void **state)
{
    struct fixture f = fixture_make(2 << 20);
    uint8_t id[CACHE_ID_SIZE];
    (void)state;
    gather(f.cache);
    for (int i = 0; i < CROWD; i++)
        assert_true(objects_put(f.cache, crowd[i], 1, 100, 100));
    fixture_audit(f.cache);
    for (int i = 0; i < CROWD; i++) {
        objects_id(f.cache, crowd[i], id);
        assert_int_equal(cache_purge(f.cache, id), 1);
    }
    store_lock(f.cache, 0);
    while (evict_reclaim(f.cache, 0))
        ;
    store_unlock(f.cache, 0);
    f.cache->shards[0].marks--; /* 65535 audits later */
    for (int i = 0; i < CROWD; i++)
        assert_true(objects_put(f.cache, crowd[i], 2, 100, 100));
    f.cache->shm->shard_lock[0].lock.suspect = 1;
    fixture_audit(f.cache);
    for (int i = 0; i < CROWD; i++)
        assert_int_equal(objects_look(f.cache, crowd[i]), 1);
    fixture_drop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crowded_bucket),
        cmocka_unit_test(test_full_and_no_page),
        cmocka_unit_test(test_repair),
        cmocka_unit_test(test_old_marks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
