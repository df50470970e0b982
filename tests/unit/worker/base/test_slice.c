/* SPDX-License-Identifier: Apache-2.0 */
/* Views: equal, beginning with, and what follows; with nothing in them and with no bytes at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "worker/base/slice.h"

static const struct slice absent = { NULL, 0 };

static void equal(void **state)
{
    (void)state;
    assert_true(slice_equal(SLICE("ab"), SLICE("ab")) && slice_equal(absent, SLICE("")));
    assert_false(slice_equal(SLICE("ab"), SLICE("aB")) || slice_equal(SLICE("ab"), SLICE("a")));
    assert_true(slice_equal_nocase(SLICE("aZ-09"), SLICE("Az-09")));
    assert_true(slice_equal_nocase(absent, SLICE("")));
    assert_false(slice_equal_nocase(SLICE("a@["), SLICE("a`{"))); /* differ in the same bit */
    assert_false(slice_equal_nocase(SLICE("a"), SLICE("ab")));
}

static void begins(void **state)
{
    (void)state;
    assert_true(slice_begins(SLICE("abc"), SLICE("ab")) && slice_begins(SLICE("ab"), SLICE("ab")));
    assert_true(slice_begins(SLICE("a"), absent) && slice_begins(absent, SLICE("")));
    assert_false(slice_begins(SLICE("abc"), SLICE("AB")) || slice_begins(SLICE("a"), SLICE("ab")));
    assert_false(slice_begins(absent, SLICE("a")) || slice_begins_nocase(absent, SLICE("a")));
    assert_true(slice_begins_nocase(SLICE("HTTPS://x"), SLICE("https://")));
    assert_false(slice_begins_nocase(SLICE("HTTP://x"), SLICE("https://")));
}

static void what_follows(void **state)
{
    struct slice text = SLICE("abc");
    (void)state;
    assert_true(slice_equal(slice_from(text, 1), SLICE("bc")));
    assert_ptr_equal(slice_from(text, 3).p, text.p + 3);
    assert_int_equal(slice_from(text, 3).n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(equal), cmocka_unit_test(begins),
                                        cmocka_unit_test(what_follows) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
