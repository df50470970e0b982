/* SPDX-License-Identifier: Apache-2.0 */
/* Origins in text: what is left of them, and the host. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "worker/plugins/origin.h"

static void reads(void **state)
{
    (void)state;
    static const struct {
        const char *text, *whole, *host;
    } cases[] = {
        { "https://a.example", "https://a.example", "a.example" },
        { "https://a.example:443", "https://a.example", "a.example" },
        { "http://a.example:443", "http://a.example:443", "a.example" },
        { "http://a.example:80/path?x#y", "http://a.example", "a.example" },
        { "http://[::1]:80", "http://[::1]", "[::1]" },
        { "http://[::1]", "http://[::1]", "[::1]" },
        { "http://[::1", "http://[::1", "[::1" },
        { "null", "null", "null" },
        { "", "", "" },
        { "x://", "x://", "" },
        { "://:", "://:", "" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct origin o = origin_read(slice_of(cases[i].text, strlen(cases[i].text)));
        assert_true(slice_equal(o.whole, slice_of(cases[i].whole, strlen(cases[i].whole))));
        assert_true(slice_equal(o.host, slice_of(cases[i].host, strlen(cases[i].host))));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(reads) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
