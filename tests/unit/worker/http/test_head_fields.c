/* SPDX-License-Identifier: Apache-2.0 */
/* The steps that both parsers share, at their edges. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "worker/http/head_fields.h"

static int version(const char *text, int *minor)
{
    return head_fields_version(text, text + strlen(text), minor);
}

static void versions(void **state)
{
    (void)state;
    int minor = -1;
    assert_int_equal(version("HTTP/1.1", &minor), 8);
    assert_int_equal(minor, 1);
    assert_int_equal(version("HTTP/1.0 x", &minor), 8);
    assert_int_equal(minor, 0);
    assert_int_equal(version("", &minor), HEAD_MORE);
    assert_int_equal(version("HTTP/1.", &minor), HEAD_MORE);
    assert_int_equal(version("HTTP/1,", &minor), -HEAD_POS_SYNTAX);
    assert_int_equal(version("HTTP/2.", &minor), HEAD_MORE);
    assert_int_equal(version("HTTP/2.0", &minor), -HEAD_POS_VERSION);
    assert_int_equal(version("HTTP/1.9", &minor), 8); /* to be read as the newest 1.x known */
    assert_int_equal(minor, 1);
    assert_int_equal(version("HTTP/0.9", &minor), -HEAD_POS_VERSION);
    assert_int_equal(version("HTTP/1.x", &minor), -HEAD_POS_SYNTAX);
    assert_int_equal(version("HTTp/1.1", &minor), -HEAD_POS_SYNTAX);
}

static int crlf(const char *text)
{
    return head_fields_crlf(text, text + strlen(text), -HEAD_POS_SYNTAX);
}

static void line_ends(void **state)
{
    (void)state;
    assert_int_equal(crlf("\r\nx"), 2);
    assert_int_equal(crlf(""), HEAD_MORE);
    assert_int_equal(crlf("\r"), HEAD_MORE);
    assert_int_equal(crlf("\rx"), -HEAD_POS_BARE_CR);
    assert_int_equal(crlf("\n"), -HEAD_POS_BARE_LF);
    assert_int_equal(crlf("x"), -HEAD_POS_SYNTAX);
}

static bool complete(const char *text, size_t seen)
{
    return head_fields_complete(text, strlen(text), seen);
}

static void the_end_is_found_across_arrivals(void **state)
{
    (void)state;
    const char *text = "A: b\r\n\r\nrest";
    for (size_t seen = 0; seen <= 7; seen++)
        assert_true(complete(text, seen));
    assert_false(complete("A: b\r\n\r", 0));
    assert_false(complete("A: b\r\nC: d\r\n", 3));
    assert_true(complete("A: b\n\n", 0)); /* to be refused, not to be waited for */
    assert_true(complete("A: b\n\r\n", 6));
    assert_false(complete("", 0));
}

static void repeated_single_fields(void **state)
{
    (void)state;
    static struct head h;
    const char *text = "Host: a\r\nX: y\r\nhost: a\r\n\r\n";
    head_fields_clear(&h);
    assert_int_equal(head_fields_read(&scan_portable, text, slice_of(text, strlen(text)), &h),
                     -HEAD_POS_HOST);
    text = "Accept: a\r\nAccept: y\r\n\r\n";
    head_fields_clear(&h);
    assert_int_equal(head_fields_read(&scan_portable, text, slice_of(text, strlen(text)), &h),
                     strlen(text));
}

static int coding(const char *text)
{
    static struct head h;
    head_fields_clear(&h);
    h.minor = 1;
    assert_int_equal(head_fields_read(&scan_portable, text, slice_of(text, strlen(text)), &h),
                     strlen(text));
    return head_fields_coding(&h);
}

static void codings(void **state)
{
    (void)state;
#define TE "Transfer-Encoding: "
    assert_int_equal(coding(TE "chunked\r\n\r\n"), 0);
    assert_int_equal(coding(TE "\r\n\r\n"), -HEAD_POS_CODING_SYNTAX);
    assert_int_equal(coding(TE "chunked,\r\n\r\n"), -HEAD_POS_CODING_SYNTAX);
    assert_int_equal(coding(TE "chunked;q=1\r\n\r\n"), -HEAD_POS_CODING_SYNTAX);
    assert_int_equal(coding(TE "gzip\r\n" TE "chunked\r\n\r\n"), -HEAD_POS_CODING);
    assert_int_equal(coding(TE "chunked\r\n" TE "gzip\r\n\r\n"), -HEAD_POS_CODING_ORDER);
    assert_int_equal(coding(TE "chunked\r\n" TE "chunked\r\n\r\n"), -HEAD_POS_CODING_ORDER);
#undef TE
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(versions),
        cmocka_unit_test(line_ends),
        cmocka_unit_test(the_end_is_found_across_arrivals),
        cmocka_unit_test(repeated_single_fields),
        cmocka_unit_test(codings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
