/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses to text and back, with the forms that proxies put into X-Forwarded-For. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "worker/address.h"

static const struct {
    const char *in, *out; /* out NULL: refused */
} rows[] = {
    { "192.0.2.1", "192.0.2.1" },
    { "0.0.0.0", "0.0.0.0" },
    { "255.255.255.255", "255.255.255.255" },
    { "10.20.30.40:8080", "10.20.30.40" },
    { "2001:db8::1", "2001:db8::1" },
    { "[2001:db8::1]", "2001:db8::1" },
    { "[2001:db8::1]:443", "2001:db8::1" },
    { "::ffff:192.0.2.9", "192.0.2.9" },
    { "unix:", "unix:" },
    { "::", NULL },
    { "[::]:80", NULL },
    { "unix:/x", NULL },
    { "fe80::1%eth0", NULL },
    { "", NULL },
    { "192.0.2", NULL },
    { "192.0.2.256", NULL },
    { "unknown", NULL },
    { "[2001:db8::1", NULL },
    { "[2001:db8::1]x", NULL },
    { "_hidden", NULL },
    { "1.2.3.4.5", NULL },
    { "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", NULL },
};

static void parses_and_prints(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint8_t ip[16];
        char text[ADDRESS_TEXT];
        bool ok = address_parse(slice_of(rows[i].in, strlen(rows[i].in)), ip);

        assert_int_equal(ok, rows[i].out != NULL);
        if (!ok)
            continue;
        size_t n = address_text(ip, text);
        assert_int_equal(n, strlen(rows[i].out));
        assert_memory_equal(text, rows[i].out, n);
    }
}

static void every_byte_prints(void **state)
{
    (void)state;
    for (unsigned b = 0; b < 256; b++) {
        uint8_t ip[16] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, (uint8_t)b, 1, (uint8_t)b, 9 },
                back[16];
        char text[ADDRESS_TEXT];
        assert_true(address_parse(slice_of(text, address_text(ip, text)), back));
        assert_memory_equal(ip, back, 16);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parses_and_prints),
        cmocka_unit_test(every_byte_prints),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
