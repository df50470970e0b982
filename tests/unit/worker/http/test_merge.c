/* SPDX-License-Identifier: Apache-2.0 */
/* A stored head before and after a 304. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "heads.h"
#include "worker/http/merge.h"

static char text[1000];

static const char *merge(const char *stored, const char *fields, bool cookies)
{
    ptrdiff_t n = merge_head(slice_of(stored, strlen(stored)), heads_response(304, fields), cookies,
                             text, sizeof text - 1);
    assert_true(n >= 0);
    text[n] = '\0';
    return text;
}

static void fields_replace_stored_ones(void **state)
{
    (void)state;
    assert_string_equal(merge("A: 1\r\nB: 2\r\n", "", false), "A: 1\r\nB: 2\r\n");
    assert_string_equal(merge("A: 1\r\nB: 2\r\na: 3\r\n", "a: 9\r\nC: 4\r\n", false),
                        "B: 2\r\na: 9\r\nC: 4\r\n");
}

static void what_a_304_does_not_change(void **state)
{
    (void)state;
    assert_string_equal(merge("Content-Encoding: gzip\r\nVary: A\r\n",
                              "Content-Encoding: br\r\nVary: B\r\nContent-Length: 9\r\n"
                              "Content-Range: x\r\nConnection: C\r\nC: 1\r\nAge: 5\r\n",
                              false),
                        "Content-Encoding: gzip\r\nVary: A\r\n");
    assert_string_equal(merge("A: 1\r\n", "Set-Cookie: a\r\n", false), "A: 1\r\n");
    assert_string_equal(merge("A: 1\r\n", "Set-Cookie: a\r\n", true), "A: 1\r\nSet-Cookie: a\r\n");
}

static void an_old_date_goes(void **state)
{
    (void)state;
    assert_string_equal(merge("date: x\r\nA: 1\r\n", "B: 2\r\n", false), "A: 1\r\nB: 2\r\n");
    assert_string_equal(merge("Date: x\r\nA: 1\r\n", "Date: y\r\n", false), "A: 1\r\nDate: y\r\n");
}

static void room_is_respected(void **state)
{
    struct slice stored = SLICE("A: 1\r\n");
    (void)state;
    assert_int_equal(merge_head(stored, heads_response(304, "B: 22\r\n"), false, text, 13), 13);
    assert_int_equal(merge_head(stored, heads_response(304, "B: 22\r\n"), false, text, 12), -1);
    assert_int_equal(merge_head(stored, heads_response(304, ""), false, text, 5), -1);
}

static void the_message_is_a_head(void **state)
{
    struct head h;
    (void)state;
    ptrdiff_t n =
        merge_message(404, SLICE("A: 1\r\n"), heads_response(304, "Age: 7\r\n"), text, sizeof text);
    assert_int_equal(head_response(text, (size_t)n, 0, METHOD_HEAD, &h), n);
    assert_int_equal(h.status, 404);
    assert_true(slice_equal(field_value(head_field(&h, FIELD_AGE)), SLICE("7")));
    assert_int_equal(merge_message(200, SLICE("A: 1\r\n"), &h, text, 50), -1);
}

static void fields_that_may_not_be_stored(void **state)
{
    struct storable verdict = { .without = { SLICE("a, c") } };
    (void)state;
    struct slice lines = SLICE("A: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\n");
    ptrdiff_t n = merge_without(&verdict, lines, text);
    assert_int_equal(n, 12);
    assert_memory_equal(text, "B: 2\r\nD: 4\r\n", 12);
    memcpy(text, lines.p, lines.n);
    assert_int_equal(merge_without(&verdict, slice_of(text, lines.n), text), 12);
    assert_memory_equal(text, "B: 2\r\nD: 4\r\n", 12);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(fields_replace_stored_ones),
                                        cmocka_unit_test(what_a_304_does_not_change),
                                        cmocka_unit_test(an_old_date_goes),
                                        cmocka_unit_test(room_is_respected),
                                        cmocka_unit_test(the_message_is_a_head),
                                        cmocka_unit_test(fields_that_may_not_be_stored) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
