/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of stored heads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "worker/http/lines.h"

static void lines_are_read_back(void **state)
{
    struct slice rest = SLICE("A: 1\r\n:own: x: y\r\nEmpty: \r\n");
    struct line line;
    (void)state;
    assert_true(lines_next(&rest, &line));
    assert_true(slice_equal(line.whole, SLICE("A: 1\r\n")));
    assert_true(slice_equal(line.name, SLICE("A")) && slice_equal(line.value, SLICE("1")));
    assert_true(lines_next(&rest, &line));
    assert_int_equal(line.name.n, 0);
    assert_true(lines_next(&rest, &line));
    assert_true(slice_equal(line.name, SLICE("Empty")) && line.value.n == 0);
    assert_false(lines_next(&rest, &line));
}

static void what_is_no_line_ends_it(void **state)
{
    static const struct slice bad[] = { SLICE(""), SLICE("A: 1"), SLICE("A:\r\n"), SLICE("\n"),
                                        SLICE("no colon\r\n\n") };
    struct line line;
    (void)state;
    for (size_t i = 0; i + 1 < sizeof bad / sizeof *bad; i++) {
        struct slice rest = bad[i];
        assert_false(lines_next(&rest, &line));
    }
}

static void first_line_of_a_name(void **state)
{
    struct slice lines = SLICE("ETag: \"a\"\r\nB: 1\r\netag: \"b\"\r\n");
    (void)state;
    assert_true(slice_equal(lines_find(lines, SLICE("etag")), SLICE("\"a\"")));
    assert_true(slice_equal(lines_find(lines, SLICE("b")), SLICE("1")));
    assert_null(lines_find(lines, SLICE("C")).p);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(lines_are_read_back),
                                        cmocka_unit_test(what_is_no_line_ends_it),
                                        cmocka_unit_test(first_line_of_a_name) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
