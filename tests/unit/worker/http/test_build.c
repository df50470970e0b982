/* SPDX-License-Identifier: Apache-2.0 */
/* What each writer writes, at the edges of its range. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <inttypes.h>
#include <stdio.h>

#include "worker/http/build.h"

static void numbers(void **state)
{
    (void)state;
    char got[32], want[32];
    for (uint64_t n = 0; n < 20000; n++) {
        *build_number(got, n) = 0;
        snprintf(want, sizeof(want), "%" PRIu64, n);
        assert_string_equal(got, want);
    }
    for (int bit = 0; bit < 64; bit++)
        for (int less = 0; less < 2; less++) {
            uint64_t n = ((uint64_t)1 << bit) - (uint64_t)less;
            *build_number(got, n) = 0;
            snprintf(want, sizeof(want), "%" PRIu64, n);
            assert_string_equal(got, want);
            *build_hex(got, n) = 0;
            snprintf(want, sizeof(want), "%" PRIx64, n);
            assert_string_equal(got, want);
        }
    assert_ptr_equal(build_number(got, UINT64_MAX), got + BUILD_NUMBER_MAX);
    assert_ptr_equal(build_hex(got, UINT64_MAX), got + BUILD_HEX_MAX);
}

static void fields(void **state)
{
    (void)state;
    char got[32];
    *build_field(got, SLICE("Age"), SLICE("12")) = 0;
    assert_string_equal(got, "Age: 12\r\n");
    *build_field(got, SLICE("A"), slice_of(NULL, 0)) = 0;
    assert_string_equal(got, "A: \r\n");
    assert_ptr_equal(build_slice(got, slice_of(NULL, 0)), got);
}

static void status_lines(void **state)
{
    (void)state;
    char got[BUILD_STATUS_LINE_MAX + 1], want[100];
    size_t longest = 0, known = 0;
    for (int status = 100; status <= 999; status++) {
        char *end = build_status_line(got, status);
        assert_true((size_t)(end - got) <= BUILD_STATUS_LINE_MAX);
        *end = 0;
        struct slice reason = build_reason(status);
        known += reason.n > 0;
        snprintf(want, sizeof(want), "HTTP/1.1 %d %.*s\r\n", status, (int)reason.n,
                 reason.n ? reason.p : "");
        assert_string_equal(got, want);
        if (strlen(got) > longest)
            longest = strlen(got);
    }
    assert_true(longest > 40 && known > 55);
    assert_true(slice_equal(build_reason(503), SLICE("Service Unavailable")));
    assert_int_equal(build_reason(599).n, 0);
}

static void octets_are_pairs_of_digits(void **state)
{
    (void)state;
    for (int i = 0; i < 256; i++) {
        uint8_t octet[2] = { (uint8_t)i, (uint8_t)~i };
        char got[5] = "", expected[16];
        assert_ptr_equal(build_octets(got, octet, 2), got + 4);
        snprintf(expected, sizeof expected, "%02x%02x", octet[0], octet[1]);
        assert_string_equal(got, expected);
    }
}

static void octets_of_any_number(void **state)
{
    (void)state;
    uint8_t octets[70];
    char got[141], expected[141] = "";
    for (size_t i = 0; i < sizeof octets; i++)
        octets[i] = (uint8_t)(i * 61 + 7);
    for (size_t n = 0; n <= sizeof octets; n++) {
        *build_octets(got, octets, n) = 0;
        assert_string_equal(got, expected);
        if (n < sizeof octets)
            snprintf(expected + 2 * n, 3, "%02x", octets[n]);
    }
    for (int all = 0; all < 256; all++) {
        memset(octets, all, 16);
        memset(expected, 0, sizeof expected);
        for (size_t i = 0; i < 16; i++)
            snprintf(expected + 2 * i, 3, "%02x", all);
        *build_octets(got, octets, 16) = 0;
        assert_string_equal(got, expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(octets_are_pairs_of_digits),
        cmocka_unit_test(octets_of_any_number),
        cmocka_unit_test(numbers),
        cmocka_unit_test(fields),
        cmocka_unit_test(status_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
