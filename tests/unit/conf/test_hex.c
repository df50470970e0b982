/* SPDX-License-Identifier: Apache-2.0 */
/* Every byte there and back; what is no escape is told apart from byte 0. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "conf/hex.h"

static void every_byte_there_and_back(void **state)
{
    (void)state;
    for (unsigned c = 0; c < 256; c++) {
        char upper[8], lower[8], text[8];
        snprintf(upper, sizeof upper, "%%%02X", c);
        snprintf(lower, sizeof lower, "%%%02x", c);
        assert_ptr_equal(hex_escape(text, (unsigned char)c), text + HEX_ESCAPE);
        assert_memory_equal(text, upper, HEX_ESCAPE);
        assert_ptr_equal(hex_lower(text, (unsigned char)c), text + 2);
        assert_memory_equal(text, lower + 1, 2);
        assert_int_equal(hex_escaped(upper, upper + HEX_ESCAPE), c);
        assert_int_equal(hex_escaped(lower, lower + HEX_ESCAPE), c);
    }
}

static void digits_and_nothing_else(void **state)
{
    (void)state;
    static const char digits[] = "0123456789abcdef", upper[] = "0123456789ABCDEF";
    for (int c = -128; c < 256; c++) {
        const char *low = c > 0 && c < 128 ? strchr(digits, c) : NULL;
        const char *high = c > 0 && c < 128 ? strchr(upper, c) : NULL;
        int value = low ? (int)(low - digits) : high ? (int)(high - upper) : -1;
        assert_int_equal(hex_value((char)c), value);
    }
}

static void what_is_no_whole_escape(void **state)
{
    (void)state;
    static const char *const texts[] = { "", "%", "%4", "%g0", "%0g", "41x", "%%4", "% 1" };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_int_equal(hex_escaped(texts[i], texts[i] + strlen(texts[i])), -1);
    assert_int_equal(hex_escaped("%41", "%41" + 2), -1);
}

static void unreserved_as_the_rfc_lists_them(void **state)
{
    (void)state;
    static const char all[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    for (int c = 0; c < 256; c++)
        assert_int_equal(hex_is_unreserved(c), c > 0 && c < 128 && strchr(all, c) != NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(every_byte_there_and_back),
                                        cmocka_unit_test(digits_and_nothing_else),
                                        cmocka_unit_test(what_is_no_whole_escape),
                                        cmocka_unit_test(unreserved_as_the_rfc_lists_them) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
