/* SPDX-License-Identifier: Apache-2.0 */
/* Vectors over a body, from any offset, few or many at a time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/proc/objects.h"
#include "tests/unit/shm/store_fixture.h"

static void test_any_offset(void **state)
{
    static const size_t sizes[] = { 0, 1, 3000, 65536, 70000, 300001 };
    struct fixture f = fixture_make(4 << 20);
    (void)state;
    for (uint32_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        struct cache_hit hit;
        struct iovec iov[8];
        size_t bytes;
        assert_true(objects_put(f.cache, k, 1, sizes[k], k % 2 ? sizes[k] : 0));
        assert_true(objects_find(f.cache, k, &hit));
        for (uint64_t at = 0, turn = 0; turn < 500; turn++, at = turn * 48271 % (sizes[k] + 1)) {
            int n = cache_body(f.cache, &hit, at, iov, 1 + (int)(turn % 8), &bytes);
            size_t sum = 0;
            for (int i = 0; i < n; i++) {
                assert_true(iov[i].iov_len > 0);
                assert_true(objects_same(k, 1, at + sum, iov[i].iov_base, iov[i].iov_len));
                sum += iov[i].iov_len;
            }
            assert_int_equal(sum, bytes);
            assert_true((n == 0) == (at == sizes[k]));
        }
        cache_unpin(f.cache, &hit);
    }
    fixture_drop(&f);
}

/* A cursor must not outlive the pin: the same place may become another object. */
static void test_cursor_ends_with_the_pin(void **state)
{
    struct fixture f = fixture_make(1 << 20);
    (void)state;
    for (uint32_t number = 0; number < 200; number++) {
        assert_true(objects_put(f.cache, number, number, 150000 + number, 150000));
        for (int turn = 0; turn < 2; turn++)
            assert_int_equal(objects_look(f.cache, number), 1);
    }
    fixture_drop(&f);
}

static bool remembers(const struct cache *cache, uint32_t ref)
{
    return cache->cursors[ref % STORE_CURSORS].ref == ref;
}

static uint32_t read_on(const struct cache *cache, const struct cache_hit *hit)
{
    uint32_t ref = (uint32_t)((uint64_t)((const char *)hit->entry - cache->base) / SLAB_UNIT);
    struct iovec iov;
    size_t bytes;
    assert_int_equal(cache_body(cache, hit, 250000, &iov, 1, &bytes), 1);
    assert_true(remembers(cache, ref));
    return ref;
}

static bool read_it(void *arg, const uint8_t id[CACHE_ID_SIZE], const struct cache_hit *hit)
{
    (void)id;
    read_on(arg, hit);
    return true;
}

/* However a pin ends: what is there afterwards may be another object. */
static void test_place_is_forgotten_with_the_pin(void **state)
{
    struct fixture f = fixture_make(4 << 20);
    struct cache_hit hit;
    uint32_t count = 0;
    (void)state;
    assert_true(objects_put(f.cache, 1, 1, 300000, 300000));
    assert_true(objects_find(f.cache, 1, &hit));
    uint32_t ref = read_on(f.cache, &hit);
    while (pins_keep(f.cache, 1) >= 0)
        count++;
    assert_false(cache_keep(f.cache, &hit));
    assert_false(remembers(f.cache, ref));
    for (uint32_t i = 0; i < count; i++)
        pins_drop(f.cache, (int32_t)i);
    cache_walk(f.cache, OBJECTS_NOW, read_it, f.cache);
    assert_false(remembers(f.cache, ref));
    assert_true(objects_find(f.cache, 1, &hit));
    read_on(f.cache, &hit);
    cache_unpin(f.cache, &hit);
    assert_false(remembers(f.cache, ref));
    fixture_drop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_place_is_forgotten_with_the_pin),
        cmocka_unit_test(test_any_offset),
        cmocka_unit_test(test_cursor_ends_with_the_pin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
