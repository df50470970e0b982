/* SPDX-License-Identifier: Apache-2.0 */
/* Looking things up in a parsed head, methods, and the list of errors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "worker/http/head.h"

static struct head h;

static int parse(void **state)
{
    (void)state;
    static const char text[] = "GET / HTTP/1.1\r\nHost: a\r\nX-One: 1\r\nAccept: b\r\nx-one: 2\r\n"
                               "X-Two: 3\r\naccept: c\r\nX-ONE: 4\r\n\r\n";
    return head_request(text, sizeof(text) - 1, 0, &h) == sizeof(text) - 1 ? 0 : -1;
}

static void assert_value(const struct field *f, const char *value)
{
    assert_non_null(f);
    assert_true(slice_equal(field_value(f), slice_of(value, strlen(value))));
}

static void known_names(void **state)
{
    (void)state;
    const struct field *f = head_field(&h, FIELD_ACCEPT);
    assert_value(f, "b");
    f = head_next(&h, f);
    assert_value(f, "c");
    assert_null(head_next(&h, f));
    assert_null(head_field(&h, FIELD_COOKIE));
    assert_null(field_value(NULL).p);
    assert_value(head_find(&h, SLICE("ACCEPT")), "b");
}

static void other_names(void **state)
{
    (void)state;
    const struct field *f = head_find(&h, SLICE("x-oNE"));
    assert_value(f, "1");
    f = head_next(&h, f);
    assert_value(f, "2");
    f = head_next(&h, f);
    assert_value(f, "4");
    assert_null(head_next(&h, f));
    assert_value(head_find(&h, SLICE("X-Two")), "3");
    assert_null(head_find(&h, SLICE("X-Tw")));
    assert_null(head_find(&h, SLICE("Cookie")));
}

static void methods(void **state)
{
    (void)state;
    static const char *const names[] = { "GET",   "HEAD",    "POST",    "PUT",  "DELETE",
                                         "PATCH", "OPTIONS", "CONNECT", "TRACE" };
    for (unsigned i = 0; i < 9; i++)
        assert_int_equal(head_method(names[i], strlen(names[i])), METHOD_GET + i);
    assert_int_equal(head_method("get", 3), METHOD_OTHER);
    assert_int_equal(head_method("GE", 2), METHOD_OTHER);
    assert_int_equal(head_method("M-SEARCH", 8), METHOD_OTHER);
    assert_int_equal(head_method("", 0), METHOD_OTHER);
    assert_int_equal(head_method("POSX", 4), METHOD_OTHER);
}

static void errors(void **state)
{
    (void)state;
    assert_int_equal(head_error_status(-HEAD_POS_SYNTAX), 400);
    assert_int_equal(head_error_status(-HEAD_POS_VERSION), 505);
    assert_int_equal(head_error_status(-HEAD_POS_TOO_MANY_FIELDS), 431);
    assert_int_equal(head_error_status(-HEAD_POS_CODING), 501);
    assert_int_equal(head_error_status(-HEAD_POS_EXPECT), 417);
    assert_string_equal(head_error_text(-HEAD_POS_BARE_CR), "bare CR");
    for (int e = HEAD_POS_SYNTAX; e <= HEAD_POS_CODING_SYNTAX; e++)
        assert_in_range(head_error_status(-e), 400, 599);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_names),
        cmocka_unit_test(other_names),
        cmocka_unit_test(methods),
        cmocka_unit_test(errors),
    };
    return cmocka_run_group_tests(tests, parse, NULL);
}
