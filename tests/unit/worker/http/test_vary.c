/* SPDX-License-Identifier: Apache-2.0 */
/* Names that vary, values in normal form, slots. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "heads.h"
#include "worker/http/vary.h"

static void names(const char *known, const char *fields, const char *expected)
{
    char out[VARY_NAMES_MAX];
    ptrdiff_t n = vary_names(heads_response(200, fields), slice_of(known, strlen(known)), out);
    assert_int_equal(n, strlen(expected));
    assert_memory_equal(out, expected, strlen(expected));
}

static void names_are_collected(void **state)
{
    char many[3000] = "Vary: ", out[VARY_NAMES_MAX];
    (void)state;
    names("", "", "");
    names("a", "", "a");
    names("", "Vary: B\r\n", "b");
    names("", "Vary: b, A ,c\r\nVary: B,,\r\n", "a,b,c");
    names("b,d", "Vary: c, e, a\r\n", "a,b,c,d,e");
    names("", "Vary: ab, a, abc\r\n", "a,ab,abc");
    for (int i = 0; i < 100; i++)
        snprintf(many + strlen(many), 20, "name-%d,", i);
    strcat(many, "\r\n");
    assert_int_equal(vary_names(heads_response(200, many), slice_of("", 0), out), -1);
}

static const char *line(const char *name, const char *value)
{
    static char out[200];
    struct slice v = value ? slice_of(value, strlen(value)) : slice_of(NULL, 0);
    char *end = vary_line(out, out + sizeof out - 1, slice_of(name, strlen(name)), v);
    assert_non_null(end);
    *end = '\0';
    return out;
}

static void values_in_normal_form(void **state)
{
    char out[20];
    (void)state;
    assert_string_equal(line("a", NULL), "!a: \r\n");
    assert_string_equal(line("a", ""), ":a: \r\n");
    assert_string_equal(line("a", "x ,  y,z"), ":a: x,y,z\r\n");
    assert_string_equal(line("a", "X"), ":a: X\r\n");
    assert_string_equal(line("accept-encoding", "GZIP, br"), ":accept-encoding: gzip,br\r\n");
    assert_string_equal(line("a", "\"x , y\" , z"), ":a: \"x , y\",z\r\n");
    assert_string_equal(line("a", "\"x\\\" , y\""), ":a: \"x\\\" , y\"\r\n");
    assert_null(vary_line(out, out + 10, slice_of("name", 4), slice_of("val", 3)));
    assert_non_null(vary_line(out, out + 12, slice_of("name", 4), slice_of("val", 3)));
}

static void slots_spread(void **state)
{
    bool used[VARY_SLOTS] = { false };
    unsigned count = 0, both = 0;
    (void)state;
    for (int i = 0; i < 2000; i++) {
        char text[32];
        uint8_t slots[2], again[2];
        size_t n = (size_t)snprintf(text, sizeof text, ":a: %d\r\n", i);
        vary_slots(slice_of(text, n), slots);
        vary_slots(slice_of(text, n), again);
        assert_memory_equal(slots, again, 2);
        count += !used[slots[0]];
        used[slots[0]] = true;
        both += slots[0] == slots[1];
    }
    assert_true(count > VARY_SLOTS - 8 && both < 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(names_are_collected),
                                        cmocka_unit_test(values_in_normal_form),
                                        cmocka_unit_test(slots_spread) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
