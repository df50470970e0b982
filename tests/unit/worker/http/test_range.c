/* SPDX-License-Identifier: Apache-2.0 */
/* Ranges as clients write them, and what goes out for them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "worker/http/range.h"

static struct range out[RANGE_MAX];

static int parse(const char *text, uint64_t size)
{
    return range_parse(slice_of(text, strlen(text)), size, out);
}

static void one(const char *text, uint64_t size, uint64_t from, uint64_t n)
{
    assert_int_equal(parse(text, size), 1);
    assert_int_equal(out[0].from, from);
    assert_int_equal(out[0].n, n);
}

static void single_ranges(void **state)
{
    (void)state;
    one("bytes=0-0", 10, 0, 1);
    one("bytes=0-9", 10, 0, 10);
    one("bytes=3-100", 10, 3, 7);
    one("bytes=9-", 10, 9, 1);
    one("bytes=-3", 10, 7, 3);
    one("bytes=-30", 10, 0, 10);
    one("Bytes=1-2 ", 10, 1, 2);
    one("bytes=0-18446744073709551614", 10, 0, 10);
    one("bytes=99-, 1-1", 10, 1, 1);
}

static void what_cannot_be_satisfied(void **state)
{
    (void)state;
    assert_int_equal(parse("bytes=10-", 10), -1);
    assert_int_equal(parse("bytes=10-11, 99-", 10), -1);
    assert_int_equal(parse("bytes=-0", 10), -1);
    assert_int_equal(parse("bytes=0-", 0), -1);
    assert_int_equal(parse("bytes=-1", 0), -1);
    assert_int_equal(parse("bytes=99999999999999999999-", 10), -1);
}

static void what_is_ignored(void **state)
{
    static const char *const bad[] = {
        "",
        "bytes",
        "bytes=",
        "bytes=,",
        "bytes=-",
        "bytes=a-b",
        "bytes=1",
        "bytes=2-1",
        "lines=0-1",
        "bytes=1-2x",
        "bytes=1 - 2",

        "bytes=0-1,a",
        "bytes=0-5,3-4",
        "bytes=0-,-1",
        "bytes=0-0,2-2,4-4,6-6,8-8,10-10,12-12,14-14,16-16,18-18,20-20,22-22,24-24,"
        "26-26,28-28,30-30,32-32"
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(parse(bad[i], 100), 0);
}

static void several(void **state)
{
    (void)state;
    assert_int_equal(parse("bytes=8-, 0-1 ,4-4", 10), 3);
    assert_int_equal(out[0].from, 8);
    assert_int_equal(out[1].n, 2);
    assert_int_equal(out[2].from, 4);
    assert_int_equal(parse("bytes=0-0,2-2,4-4,6-6,8-8,10-10,12-12,14-14,16-16,18-18,20-20,22-22,"
                           "24-24,26-26,28-28,30-30",
                           100),
                     RANGE_MAX);
}

static void texts(void **state)
{
    char text[300];
    struct range range = { 5, 3 };
    (void)state;
    *range_field(text, &range, 10) = '\0';
    assert_string_equal(text, "Content-Range: bytes 5-7/10\r\n");
    *range_field(text, NULL, UINT64_MAX) = '\0';
    assert_string_equal(text, "Content-Range: bytes */18446744073709551615\r\n");
    range = (struct range){ UINT64_MAX - 2, 2 };
    assert_true(range_field(text, &range, UINT64_MAX) - text <= 90);
    range = (struct range){ 0, 1 };
    *range_part(text, "abcdefghijklmnopqrstuvwx", SLICE("a/b"), &range, 9) = '\0';
    assert_string_equal(text, "\r\n--abcdefghijklmnopqrstuvwx\r\nContent-Type: a/b\r\n"
                              "Content-Range: bytes 0-0/9\r\n\r\n");
    *range_part(text, "abcdefghijklmnopqrstuvwx", slice_of(NULL, 0), NULL, 9) = '\0';
    assert_string_equal(text, "\r\n--abcdefghijklmnopqrstuvwx--\r\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(single_ranges),
                                        cmocka_unit_test(what_cannot_be_satisfied),
                                        cmocka_unit_test(what_is_ignored),
                                        cmocka_unit_test(several), cmocka_unit_test(texts) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
