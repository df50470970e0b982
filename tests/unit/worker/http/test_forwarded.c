/* SPDX-License-Identifier: Apache-2.0 */
/* Who is named in Forwarded, in the forms that RFC 7239 shows and those that it forbids. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "worker/http/forwarded.h"

static const struct {
    const char *line, *nodes; /* each with a '|' behind it */
} rows[] = {
    { "", "" },
    { "for=192.0.2.60;proto=http;by=203.0.113.43", "192.0.2.60|" },
    { "For=\"[2001:db8:cafe::17]:4711\"", "[2001:db8:cafe::17]:4711|" },
    { "for=192.0.2.43, FOR = x, for=198.51.100.17", "192.0.2.43||198.51.100.17|" },
    { "by=1.2.3.4; for=\"_gazonk\" ,for=unknown", "_gazonk|unknown|" },
    { "for=\"1.2.3.4, for=6.6.6.6\", for=5.6.7.8", "1.2.3.4, for=6.6.6.6|5.6.7.8|" },
    { "host=\"a;for=6.6.6.6\"", "|" },
    { "for=1.2.3.4;for=5.6.7.8", "|" },
    { "for=\"1.2.3\\.4\"", "|" },
    { "for=\"1.2.3.4", "|" },
    { "for=\"", "|" },
    { "for=\"\"", "|" },
    { "for=", "|" },
    { "for", "|" },
    { ",,for=1.2.3.4,,", "1.2.3.4|" },
    /* what a client left open, with what a proxy wrote behind it */
    { "for=6.6.6.6;x=\", for=1.2.3.4", "|" },
    { "for=6.6.6.6;x=\", for=\"[2001:db8::1]:80\"", "|" },
    { "for=6.6.6.6;\", for=1.2.3.4", "|" },
    { "for=6.6.6.6;x=a\", for=1.2.3.4", "|" },
    { "for=6.6.6.6;x=\"\\\", for=1.2.3.4", "|" },
    { "for=1.2.3.4;x=\"a\\\",;b\";y=z", "1.2.3.4|" },
    { "for=1.2.3.4;", "1.2.3.4|" },
};

static void nodes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct slice rest = slice_of(rows[i].line, strlen(rows[i].line)), node;
        char found[128] = "";
        while (forwarded_next(&rest, &node)) {
            strncat(found, node.p, node.n);
            strcat(found, "|");
        }
        assert_string_equal(found, rows[i].nodes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(nodes) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
