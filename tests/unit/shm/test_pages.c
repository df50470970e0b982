/* SPDX-License-Identifier: Apache-2.0 */
/* The pool: each page once, given back, swept by owner, and made anew from its rows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/shm/store_fixture.h"
#include <string.h>

static void test_each_page_once(void **state)
{
    struct fixture f = fixture_make(2 << 20);
    uint32_t owner = pages_owner(PAGES_LEDGER, 0, 7), count = 0, page;
    bool seen[64] = { false };
    (void)state;
    assert_int_equal(pages_left(f.cache), f.cache->g.pages);
    while ((page = pages_take(f.cache, owner)) != 0) {
        uint32_t i = page - f.cache->g.first;
        assert_in_range(i, 0, f.cache->g.pages - 1);
        assert_false(seen[i]);
        seen[i] = true;
        count++;
        assert_true(pages_whole(f.cache));
    }
    assert_int_equal(count, f.cache->g.pages);
    pages_give(f.cache, f.cache->g.first + 3);
    assert_int_equal(pages_left(f.cache), 1);
    assert_int_equal(pages_take(f.cache, owner), f.cache->g.first + 3);
    pages_sweep(f.cache, pages_owner(PAGES_LEDGER, 0, 8));
    assert_int_equal(pages_left(f.cache), 0);
    pages_sweep(f.cache, owner);
    assert_int_equal(pages_left(f.cache), f.cache->g.pages);
    assert_true(pages_whole(f.cache));
    fixture_drop(&f);
}

static void test_owner_word(void **state)
{
    uint32_t owner = pages_owner(PAGES_SLAB, 95, 63);
    (void)state;
    assert_int_equal(pages_kind(owner), PAGES_SLAB);
    assert_int_equal(pages_class(owner), 95);
    assert_int_equal(pages_who(owner), 63);
}

/* A suspect pool is rebuilt, even when it looked empty. */
static void test_rebuilt_after_a_death(void **state)
{
    struct fixture f = fixture_make(2 << 20);
    uint32_t owner = pages_owner(PAGES_LEDGER, 0, 7), page = pages_take(f.cache, owner);
    (void)state;
    f.cache->shm->pool = 0;
    f.cache->shm->pool_n = 0;
    assert_false(pages_whole(f.cache));
    f.cache->shm->pool_lock.lock.suspect = 1;
    assert_int_not_equal(pages_take(f.cache, owner), 0);
    assert_true(pages_whole(f.cache));
    assert_int_equal(pages_left(f.cache), f.cache->g.pages - 2);
    pages_give(f.cache, page);
    pages_sweep(f.cache, owner);
    fixture_drop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_page_once),
        cmocka_unit_test(test_owner_word),
        cmocka_unit_test(test_rebuilt_after_a_death),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
