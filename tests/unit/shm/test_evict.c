/* SPDX-License-Identifier: Apache-2.0 */
/* The way out: limbo holds what is read, frees what is not, large chains in steps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "shm/evict.h"
#include "tests/proc/objects.h"
#include "tests/unit/shm/store_fixture.h"

static uint32_t limbo(const struct cache *cache)
{
    return cache->shards[0].lists[QUEUE_LIMBO].count;
}

static void purge(struct cache *cache, uint32_t number)
{
    uint8_t id[CACHE_ID_SIZE];
    objects_id(cache, number, id);
    assert_int_equal(cache_purge(cache, id), 1);
}

static uint32_t reclaim(struct cache *cache)
{
    store_lock(cache, 0);
    uint32_t count = evict_reclaim(cache, 0);
    store_unlock(cache, 0);
    return count;
}

static void test_pinned_waits_in_limbo(void **state)
{
    struct fixture f = fixture_make(2 << 20);
    struct cache_hit hit;
    (void)state;
    assert_true(objects_put(f.cache, 1, 1, 200000, 200000));
    assert_true(objects_put(f.cache, 2, 1, 1000, 1000));
    assert_true(objects_find(f.cache, 1, &hit));
    purge(f.cache, 1);
    purge(f.cache, 2);
    reclaim(f.cache);
    assert_int_equal(limbo(f.cache), 1);
    assert_int_equal(reclaim(f.cache), 0);
    assert_true(objects_whole(f.cache, &hit, 1));
    fixture_audit(f.cache);
    cache_unpin(f.cache, &hit);
    assert_true(reclaim(f.cache) >= 4);
    assert_int_equal(limbo(f.cache), 0);
    assert_int_equal(pages_left(f.cache), f.cache->g.pages);
    fixture_drop(&f);
}

/* More in limbo than one pass looks at, the oldest of them pinned: the others go nevertheless. */
static void test_long_limbo(void **state)
{
    enum { MANY = 2 * PINS_SET };
    static struct cache_hit hits[PINS_SET];
    struct fixture f = fixture_make(4 << 20);
    (void)state;
    for (uint32_t i = 0; i < MANY; i++) {
        assert_true(objects_put(f.cache, i, 1, 500, 500));
        if (i < PINS_SET)
            assert_true(objects_find(f.cache, i, &hits[i]) && cache_keep(f.cache, &hits[i]));
    }
    store_lock(f.cache, 0);
    for (uint32_t i = 0; i < MANY; i++) {
        uint8_t id[CACHE_ID_SIZE];
        objects_id(f.cache, i, id);
        evict_unlink(f.cache, 0, index_get(f.cache, id));
    }
    store_unlock(f.cache, 0);
    assert_int_equal(limbo(f.cache), MANY);
    reclaim(f.cache);
    reclaim(f.cache);
    assert_int_equal(limbo(f.cache), PINS_SET);
    for (int i = 0; i < PINS_SET; i++)
        cache_unpin(f.cache, &hits[i]);
    fixture_drop(&f);
}

static void test_large_goes_in_steps(void **state)
{
    struct fixture f = fixture_make(160 << 20);
    uint32_t shard = 0, steps = 0;
    (void)state;
    assert_true(objects_put(f.cache, 1, 1, 90 << 20, 90 << 20));
    uint8_t id[CACHE_ID_SIZE];
    objects_id(f.cache, 1, id);
    shard = store_place(f.cache, id).shard;
    store_lock(f.cache, shard);
    evict_unlink(f.cache, shard, index_get(f.cache, id));
    store_unlock(f.cache, shard);
    for (uint32_t freed = 1; freed > 0; steps++) {
        fixture_audit(f.cache);
        store_lock(f.cache, shard);
        freed = evict_reclaim(f.cache, shard);
        store_unlock(f.cache, shard);
    }
    assert_in_range(steps, 3, 10);
    assert_int_equal(pages_left(f.cache), f.cache->g.pages);
    fixture_drop(&f);
}

static void test_everything_goes(void **state)
{
    struct fixture f = fixture_make(4 << 20);
    (void)state;
    for (uint32_t i = 0; i < 2000; i++)
        assert_true(objects_put(f.cache, i, 1, i * 37 % 9000, 0));
    store_lock(f.cache, 0);
    while (evict_some(f.cache, 0))
        ;
    store_unlock(f.cache, 0);
    assert_int_equal(f.cache->shards[0].slab.used, 0);
    assert_int_equal(f.cache->shards[0].payload, 0);
    fixture_drop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pinned_waits_in_limbo),
        cmocka_unit_test(test_long_limbo),
        cmocka_unit_test(test_large_goes_in_steps),
        cmocka_unit_test(test_everything_goes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
