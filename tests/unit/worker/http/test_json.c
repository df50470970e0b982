/* SPDX-License-Identifier: Apache-2.0 */
/* Escaping for JSON: every class of byte, UTF-8's edges, and every cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "worker/http/json.h"

static void expect(const char *in, size_t n, const char *out)
{
    char buf[256];
    size_t length = json_escape(buf, sizeof(buf), slice_of(in, n));
    assert_int_equal(length, strlen(out));
    assert_memory_equal(buf, out, length);
}
#define EXPECT(in, out) expect(in, sizeof(in) - 1, out)

static void plain_text_is_copied(void **state)
{
    (void)state;
    EXPECT("", "");
    EXPECT("no Route matched with those values", "no Route matched with those values");
    expect(NULL, 0, "");
}

static void controls_and_quotes_are_escaped(void **state)
{
    (void)state;
    EXPECT("a\"b\\c/", "a\\\"b\\\\c/");
    EXPECT("\b\t\n\f\r", "\\b\\t\\n\\f\\r");
    EXPECT("\0\x01\x1f\x7f", "\\u0000\\u0001\\u001f\\u007f");
}

static void utf8_passes_and_other_bytes_do_not(void **state)
{
    (void)state;
    EXPECT("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80");
    EXPECT("\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf");
    EXPECT("\xf4\x90\x80\x80", "\\ufffd\\ufffd\\ufffd\\ufffd"); /* above U+10FFFF */
    EXPECT("\xc0\xaf", "\\ufffd\\ufffd");                       /* overlong */
    EXPECT("\xe0\x9f\xbf", "\\ufffd\\ufffd\\ufffd");
    EXPECT("\xf0\x8f\xbf\xbf", "\\ufffd\\ufffd\\ufffd\\ufffd");
    EXPECT("\xed\xa0\x80", "\\ufffd\\ufffd\\ufffd"); /* surrogate */
    EXPECT("x\xff\x80y", "x\\ufffd\\ufffdy");
    EXPECT("\xe2\x82", "\\ufffd\\ufffd"); /* cut short */
    EXPECT("\xe2\x82z", "\\ufffd\\ufffdz");
}

/* Whatever the room, the result is a prefix of the whole that ends between characters. */
static void cuts_between_characters(void **state)
{
    static const char in[] = "ab\"c\x01\xc3\xa4\xff!";
    static const size_t ends[] = { 0, 1, 2, 4, 5, 11, 13, 19, 20 };
    char whole[64], part[64];
    (void)state;
    size_t n = json_escape(whole, sizeof(whole), slice_of(in, sizeof(in) - 1));
    assert_int_equal(n, 20);
    for (size_t cap = 0, at = 0; cap <= n; cap++) {
        while (at + 1 < sizeof(ends) / sizeof(*ends) && ends[at + 1] <= cap)
            at++;
        memset(part, '#', sizeof(part));
        assert_int_equal(json_escape(part, cap, slice_of(in, sizeof(in) - 1)), ends[at]);
        assert_memory_equal(part, whole, ends[at]);
        assert_int_equal(part[ends[at]], '#');
    }
}

static void growth_bounds_every_byte(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++) {
        char byte = (char)c, out[JSON_GROWTH];
        assert_true(json_escape(out, sizeof(out), slice_of(&byte, 1)) >= 1);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_text_is_copied),
        cmocka_unit_test(controls_and_quotes_are_escaped),
        cmocka_unit_test(utf8_passes_and_other_bytes_do_not),
        cmocka_unit_test(cuts_between_characters),
        cmocka_unit_test(growth_bounds_every_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
