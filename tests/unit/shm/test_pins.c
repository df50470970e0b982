/* SPDX-License-Identifier: Apache-2.0 */
/* Hazards and ledgers as a reclaimer sees them: rows of others, ledgers of many pages, slots of the
 * dead. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/proc/objects.h"
#include "tests/unit/shm/store_fixture.h"

#include <stdlib.h>

static bool held(struct cache *cache, uint32_t ref)
{
    struct pins_set set = { 0 };
    pins_add(&set, ref + 1); /* not pinned by anybody */
    pins_add(&set, ref);
    pins_scan(cache, &set);
    assert_false(set.held[0]);
    return set.held[1];
}

static uint32_t ref_of(const struct cache *cache, const struct cache_hit *hit)
{
    return (uint32_t)((uint64_t)((const char *)hit->entry - cache->base) / SLAB_UNIT);
}

static void test_short_and_long(void **state)
{
    struct fixture f = fixture_make(2 << 20);
    struct cache *other = cache_attach(&f.zone, 200);
    struct cache_hit hit;
    (void)state;
    assert_true(objects_put(f.cache, 1, 1, 100, 100));
    assert_true(objects_find(other, 1, &hit));
    uint32_t ref = ref_of(other, &hit);
    assert_true(held(f.cache, ref));
    assert_true(cache_keep(other, &hit));
    assert_int_equal(other->row->hazard, 0);
    assert_true(held(f.cache, ref));
    cache_unpin(other, &hit);
    assert_false(held(f.cache, ref));
    assert_null(hit.entry);
    cache_unpin(other, &hit); /* once more does nothing */
    cache_detach(&other);
    fixture_drop(&f);
}

static void test_full_set(void **state)
{
    struct fixture f = fixture_make(2 << 20);
    struct pins_set set = { 0 };
    (void)state;
    for (uint32_t i = 0; i < PINS_SET; i++)
        pins_add(&set, 1000 + i * 2048);
    assert_int_equal(pins_keep(f.cache, 1000 + 77 * 2048), 0);
    pins_scan(f.cache, &set);
    for (uint32_t i = 0; i < PINS_SET; i++)
        assert_int_equal(set.held[i], i == 77);
    pins_drop(f.cache, 0);
    fixture_drop(&f);
}

/* More pins than there are cells: a refusal, and all pages come back. */
static void test_ledger_grows_to_its_end(void **state)
{
    enum { ALL = PINS_FEW + PINS_PAGES * PINS_PAGE };
    struct fixture f = fixture_make(2 << 20);
    (void)state;
    for (int32_t i = 0; i < ALL; i++) {
        int32_t cell = pins_keep(f.cache, 5000 + (uint32_t)i);
        assert_int_equal(cell, i);
    }
    assert_int_equal(pins_keep(f.cache, 1), -1);
    assert_true(held(f.cache, 5000 + ALL - 1));
    assert_int_equal(f.cache->g.pages - pages_left(f.cache), PINS_PAGES);
    for (int32_t i = 0; i < ALL; i++)
        pins_drop(f.cache, i);
    assert_int_equal(pages_left(f.cache), f.cache->g.pages);
    assert_int_equal(pins_keep(f.cache, 1), 0);
    pins_drop(f.cache, 0);
    fixture_drop(&f);
}

static void test_of_the_dead(void **state)
{
    struct fixture f = fixture_make(2 << 20);
    struct cache *gone = cache_attach(&f.zone, 17);
    (void)state;
    for (uint32_t i = 0; i < 100; i++)
        assert_int_equal(pins_keep(gone, 5000 + i), i);
    assert_true(held(f.cache, 5099));
    cache_break(&f.zone, 17);
    assert_false(held(f.cache, 5099)); /* an orphan's pins do not count */
    cache_orphans(f.cache);
    assert_int_equal(pages_left(f.cache), f.cache->g.pages);
    pins_close(gone);
    free(gone->holds);
    free(gone);
    fixture_drop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_short_and_long),
        cmocka_unit_test(test_full_set),
        cmocka_unit_test(test_ledger_grows_to_its_end),
        cmocka_unit_test(test_of_the_dead),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
