/* SPDX-License-Identifier: Apache-2.0 */
/* Accept-Encoding: weights, wildcards, identity, and lines that are none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "worker/http/accept_encoding.h"
#include <string.h>

#define I CONF_CODING_IDENTITY
#define G CONF_CODING_GZIP
#define B CONF_CODING_BROTLI

static struct accept_encoding read_line(const char *line)
{
    struct accept_encoding a;

    accept_encoding_begin(&a);
    accept_encoding_add(&a, slice_of(line, strlen(line)));
    return a;
}

static int pick(const char *line, enum conf_coding first, enum conf_coding second)
{
    const enum conf_coding order[] = { first, second };
    struct accept_encoding a = read_line(line);

    return (int)accept_encoding_pick(&a, order, 2);
}

static void what_is_picked(void **state)
{
    static const struct {
        const char *line;
        int coding; /* with br before gzip */
        bool refuses_identity;
    } cases[] = {
        { "", I, false },
        { "gzip", G, false },
        { "br", B, false },
        { "gzip, br", B, false },
        { "gzip;q=1, br;q=0.999", G, false },
        { "gzip ; q=0.5 , br ;q=0.5", B, false },
        { "GZip;Q=0.1", G, false },
        { "x-gzip", G, false },
        { "gzip;q=0", I, false },
        { "gzip;q=0.000, br;q=0.0", I, false },
        { "*", B, false },
        { "*;q=0", I, true },
        { "br;q=0, *", G, false },
        { "gzip;q=0.2, *;q=0.1", G, false },
        { "*;q=0, gzip", G, true },
        { "*;q=0, identity;q=0.1", I, false },
        { "identity;q=0", I, true },
        { "identity;q=0, gzip;q=0.1", G, true },
        { "identity, gzip;q=0.9", I, false },
        { "identity;q=0.5, gzip;q=0.5", G, false },
        { "*, identity;q=0.4", B, false },
        { "deflate, zstd, compress", I, false },
        { ",, ,gzip,,", G, false },
        { "gzip;q=", I, false },
        { "gzip;q=2", I, false },
        { "gzip;q=1.001", I, false },
        { "gzip;q=.5", I, false },
        { "gzip;q=0.1234", I, false },
        { "gzip;q=-1", I, false },
        { "gzip;q=0,5", I, false },
        { "gzip;q=1.", G, false },
        { "gzip;level=9;q=0.3", G, false },
        { "gzip, gzip;q=0", I, false },
        { "gzip;q=0, gzip", I, false },
        { "gzipx, xbr, br\"", I, false },
        { "\"br, gzip\"", I, false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct accept_encoding a = read_line(cases[i].line);
        if (pick(cases[i].line, B, G) != cases[i].coding ||
            accept_encoding_refuses_identity(&a) != cases[i].refuses_identity)
            fail_msg("\"%s\"", cases[i].line);
    }
}

static void the_order_decides_among_equals(void **state)
{
    (void)state;
    assert_int_equal(pick("gzip, br", G, B), G);
    assert_int_equal(pick("*", G, B), G);
    assert_int_equal(pick("br, gzip;q=0.9", G, B), B);
}

static void several_lines_are_one_list(void **state)
{
    const enum conf_coding order[] = { B, G };
    struct accept_encoding a;

    (void)state;
    accept_encoding_begin(&a);
    assert_int_equal(accept_encoding_pick(&a, order, 2), I); /* no field at all */
    assert_false(accept_encoding_refuses_identity(&a));
    accept_encoding_add(&a, SLICE("gzip;q=0.2"));
    accept_encoding_add(&a, SLICE("identity;q=0, br;q=0.1"));
    assert_int_equal(accept_encoding_pick(&a, order, 2), G);
    assert_int_equal(accept_encoding_pick(&a, order, 1), B);
    assert_true(accept_encoding_refuses_identity(&a));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_picked),
        cmocka_unit_test(the_order_decides_among_equals),
        cmocka_unit_test(several_lines_are_one_list),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
