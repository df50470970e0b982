/* SPDX-License-Identifier: Apache-2.0 */
/* Sizes and chunks: what is taken is distinct and large enough, pages come and go, counts can be
 * made anew. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/shm/store_fixture.h"
#include <stdlib.h>
#include <string.h>

enum { OWNED = 1, MARK = 77 };

static void test_sizes(void **state)
{
    struct slab_sizes sizes;
    (void)state;
    slab_sizes(&sizes);
    assert_int_equal(sizes.units[sizes.count - 1], SLAB_UNITS);
    for (uint32_t bytes = 1; bytes <= PAGES_SIZE; bytes++) {
        uint32_t class = slab_class(&sizes, bytes), size = sizes.units[class] * (uint32_t)SLAB_UNIT;
        assert_true(size >= bytes);
        assert_true(class == 0 || sizes.units[class - 1] * (uint32_t)SLAB_UNIT < bytes);
        uint32_t below = slab_class_below(&sizes, bytes);
        assert_true(below <= class &&
                    (below == 0 || sizes.units[below] * (uint32_t)SLAB_UNIT <= bytes));
    }
    for (uint32_t i = 1; i < sizes.count; i++) {
        uint32_t size = sizes.units[i], tail = SLAB_UNITS % size;
        assert_true(size > sizes.units[i - 1]);
        assert_true(tail <= SLAB_UNITS / 45); /* no page has a tail worth mentioning */
    }
}

/* Chunks of all sizes do not overlap, and all pages come back. */
static void test_chunks_are_distinct(void **state)
{
    struct fixture f = fixture_make(24 << 20);
    uint32_t *refs = calloc(20000, sizeof *refs), n = 0;
    (void)state;
    assert_non_null(refs);
    for (uint32_t i = 0; n < 20000; i++) {
        uint32_t ref = slab_take(f.cache, 0, i % f.cache->sizes.count);
        if (ref == 0)
            break;
        memset((char *)store_at(f.cache, ref) + SLAB_HEADER, (int)n % 251,
               slab_size(f.cache, ref) - SLAB_HEADER);
        store_chunk(f.cache, ref)->owner = OWNED;
        assert_true(slab_valid(f.cache, 0, ref));
        assert_false(slab_valid(f.cache, 1, ref));
        refs[n++] = ref;
    }
    assert_in_range(n, 1000, 20000);
    assert_true(slab_lists_whole(f.cache, 0));
    for (uint32_t i = 0; i < n; i++) {
        const unsigned char *p = (const unsigned char *)store_at(f.cache, refs[i]) + SLAB_HEADER;
        for (uint32_t k = 0; k < slab_size(f.cache, refs[i]) - SLAB_HEADER; k++) {
            if (p[k] != i % 251)
                fail_msg("chunk %u is overwritten at %u", i, k);
        }
    }
    for (uint32_t i = 0; i < n; i++)
        slab_give(f.cache, 0, refs[i]);
    assert_int_equal(f.cache->shards[0].slab.used, 0);
    assert_int_equal(pages_left(f.cache), f.cache->g.pages);
    assert_true(slab_lists_whole(f.cache, 0));
    free(refs);
    fixture_drop(&f);
}

/* With the pool empty a slightly larger size will do, a much larger one not. */
static void test_larger_size_will_do(void **state)
{
    struct fixture f = fixture_make(24 << 20);
    uint32_t class = slab_class(&f.cache->sizes, 1000), size = f.cache->sizes.units[class], ref;
    (void)state;
    assert_int_not_equal(slab_take(f.cache, 0, class), 0);
    while (pages_take(f.cache, pages_owner(PAGES_LEDGER, 0, 9)) != 0)
        ;
    ref = slab_take(f.cache, 0, class - 1);
    assert_int_not_equal(ref, 0);
    assert_int_equal(slab_size(f.cache, ref), size * SLAB_UNIT);
    assert_int_equal(slab_take(f.cache, 0, slab_class(&f.cache->sizes, 500)), 0);
    assert_int_equal(slab_take(f.cache, 0, class + 1), 0);
    fixture_forget(&f);
}

/* Of two pages the emptier one comes first, and full ones not at all. */
static void test_sparse_first(void **state)
{
    struct fixture f = fixture_make(24 << 20);
    uint32_t class = slab_class(&f.cache->sizes, 8192), refs[12];
    (void)state;
    for (int i = 0; i < 12; i++) {
        refs[i] = slab_take(f.cache, 0, class);
        store_chunk(f.cache, refs[i])->owner = OWNED;
    }
    assert_int_equal(slab_sparse(f.cache, 0, 0), store_page(refs[11]));
    assert_int_equal(slab_sparse(f.cache, 0, 1), 0);
    slab_give(f.cache, 0, refs[0]);
    assert_int_equal(slab_sparse(f.cache, 0, 0), store_page(refs[11]));
    assert_int_equal(slab_sparse(f.cache, 0, 1), store_page(refs[0]));
    for (int i = 1; i < 7; i++)
        slab_give(f.cache, 0, refs[i]);
    assert_int_equal(slab_sparse(f.cache, 0, 0), store_page(refs[0]));
    fixture_forget(&f);
}

static void test_recount(void **state)
{
    struct fixture f = fixture_make(24 << 20);
    uint32_t class = slab_class(&f.cache->sizes, 3000), refs[10], page;
    (void)state;
    for (int i = 0; i < 10; i++) {
        refs[i] = slab_take(f.cache, 0, class);
        store_chunk(f.cache, refs[i])->owner = OWNED;
        store_chunk(f.cache, refs[i])->mark = i % 2 ? MARK : 0; /* half of them nobody reaches */
    }
    page = store_page(refs[0]);
    assert_false(slab_whole(f.cache, 0, page, MARK));
    store_row(f.cache, page)->free = refs[1];
    slab_forget(f.cache, 0);
    slab_recount(f.cache, 0, page, MARK);
    assert_true(slab_whole(f.cache, 0, page, MARK));
    assert_true(slab_lists_whole(f.cache, 0));
    assert_int_equal(store_row(f.cache, page)->used, 5);
    slab_forget(f.cache, 0);
    slab_recount(f.cache, 0, page, MARK + 1); /* nobody reaches any: the page goes */
    assert_int_equal(pages_left(f.cache), f.cache->g.pages);
    fixture_drop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_chunks_are_distinct),
        cmocka_unit_test(test_larger_size_will_do),
        cmocka_unit_test(test_sparse_first),
        cmocka_unit_test(test_recount),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
