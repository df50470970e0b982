/* SPDX-License-Identifier: Apache-2.0 */
/* What the arena hands out is aligned, does not overlap, and holds until the reset, in the first
 * block and beyond. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "worker/base/arena.h"

static void takes_do_not_overlap(void **state)
{
    _Alignas(16) char first[256];
    static char *p[2000];
    static size_t n[2000];
    struct arena a;

    (void)state;
    arena_init(&a, first, sizeof first);
    for (int i = 0; i < 2000; i++) {
        n[i] = (size_t)(i * 37 % 9000);
        p[i] = arena_take(&a, n[i]);
        assert_non_null(p[i]);
        assert_int_equal((uintptr_t)p[i] % 16, 0);
        memset(p[i], i & 255, n[i]);
    }
    for (int i = 0; i < 2000; i++)
        for (size_t k = 0; k < n[i]; k++)
            assert_int_equal((unsigned char)p[i][k], i & 255);
    arena_reset(&a);
}

static void first_block_comes_first(void **state)
{
    _Alignas(16) char first[64];
    struct arena a;

    (void)state;
    arena_init(&a, first, sizeof first);
    assert_ptr_equal(arena_take(&a, 40), first);
    assert_null(a.blocks);
    assert_non_null(arena_take(&a, 40));
    assert_non_null(a.blocks);
    arena_reset(&a);
    assert_null(a.blocks);
}

static void copies_are_terminated(void **state)
{
    struct arena a;

    (void)state;
    arena_init(&a, NULL, 0);
    struct slice s = arena_copy(&a, SLICE("gateway"));
    assert_int_equal(s.n, 7);
    assert_string_equal(s.p, "gateway");
    s = arena_copy(&a, (struct slice){ NULL, 0 });
    assert_string_equal(s.p, "");
    arena_reset(&a);
}

static void prints_short_and_long(void **state)
{
    struct arena a;
    char big[1000];

    (void)state;
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    arena_init(&a, NULL, 0);
    assert_string_equal(arena_print(&a, "%d-%s", 42, "b").p, "42-b");
    struct slice s = arena_print(&a, "<%s>", big);
    assert_int_equal(s.n, 1001);
    assert_int_equal(s.p[1000], '>');
    arena_reset(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_do_not_overlap),
        cmocka_unit_test(first_block_comes_first),
        cmocka_unit_test(copies_are_terminated),
        cmocka_unit_test(prints_short_and_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
