/* SPDX-License-Identifier: Apache-2.0 */
/* How objects are cut into chunks: little waste whether the length was known or not, and what is
 * given up comes back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "shm/evict.h"
#include "tests/proc/objects.h"
#include "tests/unit/shm/store_fixture.h"

static uint64_t waste(struct cache *cache, size_t size, size_t hint)
{
    uint8_t id[CACHE_ID_SIZE];
    uint64_t before = cache->shards[0].slab.used;
    assert_true(objects_put(cache, 1, 1, size, hint));
    assert_int_equal(objects_look(cache, 1), 1);
    uint64_t taken = cache->shards[0].slab.used - before, payload = cache->shards[0].payload;
    objects_id(cache, 1, id);
    assert_int_equal(cache_purge(cache, id), 1);
    store_lock(cache, 0);
    while (evict_some(cache, 0))
        ;
    store_unlock(cache, 0);
    return taken - payload;
}

/* The header, and an eighth at most. */
static void test_little_waste(void **state)
{
    struct fixture f = fixture_make(24 << 20);
    (void)state;
    for (size_t size = 1; size < 2000000; size += size / 9 + 1) {
        assert_in_range(waste(f.cache, size, size), 128, 128 + 96 + size / 8);
        assert_in_range(waste(f.cache, size, 0), 128, 128 + 192 + size / 8);
    }
    fixture_drop(&f);
}

/* A hint may be wrong either way. */
static void test_wrong_hints(void **state)
{
    struct fixture f = fixture_make(4 << 20);
    (void)state;
    for (size_t size = 1; size < 300000; size = size * 3 + 1) {
        for (size_t hint = 1; hint < 300000; hint = hint * 5 + 2) {
            assert_true(objects_put(f.cache, 1, (uint32_t)hint, size, hint));
            assert_int_equal(objects_look(f.cache, 1), 1);
        }
        fixture_audit(f.cache);
    }
    fixture_drop(&f);
}

/* Up to the longest that may be stored: the copy that is made at the end is not counted twice. */
static void test_nearly_too_long(void **state)
{
    struct fixture f = fixture_make(4 << 20);
    uint64_t all = (uint64_t)f.cache->g.pages * PAGES_SIZE, longest = all - all / 8;
    (void)state;
    for (uint64_t size = longest - 100000; size <= longest; size += 6250) {
        assert_true(objects_put(f.cache, 1, 1, size, 100));
        assert_int_equal(objects_look(f.cache, 1), 1);
    }
    assert_false(objects_put(f.cache, 1, 1, longest + 1, 100));
    fixture_drop(&f);
}

static void test_given_up(void **state)
{
    struct fixture f = fixture_make(2 << 20);
    (void)state;
    for (size_t size = 0; size < 1000000; size = size * 2 + 100) {
        struct cache_fill *fill = objects_begin(f.cache, 1, 1, size, 0);
        assert_non_null(fill);
        assert_true(objects_append(fill, 1, 1, size));
        fixture_audit(f.cache);
        cache_fill_abort(&fill);
        assert_null(fill);
        assert_int_equal(objects_look(f.cache, 1), 0);
        assert_int_equal(pages_left(f.cache), f.cache->g.pages);
    }
    fixture_drop(&f);
}

/* Two who fill the same: the later commit is what is found. */
static void test_later_commit_wins(void **state)
{
    struct fixture f = fixture_make(2 << 20);
    struct cache_hit hit;
    (void)state;
    struct cache_fill *a = objects_begin(f.cache, 1, 1, 100, 100),
                      *b = objects_begin(f.cache, 1, 2, 200, 200);
    assert_true(objects_append(b, 1, 2, 200) && cache_fill_commit(&b));
    assert_true(objects_append(a, 1, 1, 100) && cache_fill_commit(&a));
    assert_true(objects_find(f.cache, 1, &hit));
    assert_int_equal(hit.body_n, 100);
    cache_unpin(f.cache, &hit);
    fixture_drop(&f);
}

/* One that yields takes no other's place, but that of a dead one. */
static void test_yields(void **state)
{
    struct fixture f = fixture_make(2 << 20);
    struct cache_hit hit;
    uint8_t id[CACHE_ID_SIZE];
    (void)state;
    struct cache_fill *a = objects_begin(f.cache, 1, 1, 0, 0);
    cache_fill_yield(a);
    assert_true(objects_put(f.cache, 1, 2, 200, 200));
    assert_false(cache_fill_commit(&a));
    assert_true(objects_find(f.cache, 1, &hit));
    assert_int_equal(hit.body_n, 200);
    cache_unpin(f.cache, &hit);
    objects_id(f.cache, 1, id);
    cache_purge_all(f.cache);
    a = objects_begin(f.cache, 1, 3, 0, 0);
    cache_fill_yield(a);
    assert_true(cache_fill_commit(&a));
    assert_true(objects_find(f.cache, 1, &hit));
    assert_int_equal(hit.body_n, 0);
    cache_unpin(f.cache, &hit);
    fixture_drop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_little_waste),      cmocka_unit_test(test_wrong_hints),
        cmocka_unit_test(test_nearly_too_long),   cmocka_unit_test(test_given_up),
        cmocka_unit_test(test_later_commit_wins), cmocka_unit_test(test_yields),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
