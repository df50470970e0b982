/* SPDX-License-Identifier: Apache-2.0 */
/* Visiting all objects: each once, those that are gone not at all, and a visitor may stop. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/proc/objects.h"
#include "tests/unit/shm/store_fixture.h"

struct seen {
    uint32_t count, stop_at;
    uint64_t bytes;
};

static bool see(void *arg, const uint8_t id[CACHE_ID_SIZE], const struct cache_hit *hit)
{
    struct seen *seen = arg;
    (void)id;
    assert_true(hit->key_n > 0 && hit->pin >= 0);
    seen->bytes += hit->body_n;
    return ++seen->count != seen->stop_at;
}

static void test_walk(void **state)
{
    struct fixture f = fixture_make(4 << 20);
    struct seen seen = { 0 };
    (void)state;
    for (uint32_t i = 0; i < 1000; i++)
        assert_true(objects_put(f.cache, i, 1, 100, 100));
    cache_walk(f.cache, OBJECTS_NOW, see, &seen);
    assert_int_equal(seen.count, 1000);
    assert_int_equal(seen.bytes, 100000);
    seen = (struct seen){ .stop_at = 10 };
    cache_walk(f.cache, OBJECTS_NOW, see, &seen);
    assert_int_equal(seen.count, 10);
    seen = (struct seen){ 0 };
    cache_walk(f.cache, OBJECTS_NOW + 100, see, &seen);
    assert_int_equal(seen.count, 0);
    cache_purge_all(f.cache);
    assert_true(objects_put(f.cache, 5, 2, 100, 100));
    cache_walk(f.cache, OBJECTS_NOW, see, &seen);
    assert_int_equal(seen.count, 1);
    assert_int_equal(f.cache->cells.used, 0);
    fixture_drop(&f);
}

static void test_slices(void **state)
{
    struct fixture f = fixture_make(4 << 20);
    struct seen seen = { 0 };
    uint64_t at = 0;
    int slices = 1;
    (void)state;
    for (uint32_t i = 0; i < 1000; i++)
        assert_true(objects_put(f.cache, i, 1, 100, 100));
    for (; cache_walk_some(f.cache, OBJECTS_NOW, &at, 100, see, &seen); slices++)
        assert_int_equal(at, 100 * slices);
    assert_true(slices > 5);
    assert_int_equal(seen.count, 1000);
    assert_false(cache_walk_some(f.cache, OBJECTS_NOW, &at, 100, see, &seen));
    assert_int_equal(seen.count, 1000);
    fixture_drop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_walk),
        cmocka_unit_test(test_slices),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
