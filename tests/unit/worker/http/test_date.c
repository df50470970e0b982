/* SPDX-License-Identifier: Apache-2.0 */
/* Every day of four centuries beside libc; the three formats; what is none of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <time.h>

#include "worker/http/date.h"

static const int64_t now = 1700000000; /* November 2023 */

static int64_t parse(const char *text)
{
    return date_parse(slice_of(text, strlen(text)), now);
}

static void all_days_there_and_back(void **state)
{
    (void)state;
    for (int64_t day = 0; day < 150000; day++) {
        time_t t = (time_t)(day * 86400 + day * 7919 % 86400);
        struct tm tm;
        char want[40], got[DATE_LENGTH];
        gmtime_r(&t, &tm);
        strftime(want, sizeof(want), "%a, %d %b %Y %H:%M:%S GMT", &tm);
        date_format(t, got);
        assert_memory_equal(got, want, DATE_LENGTH);
        assert_int_equal(date_parse(slice_of(got, DATE_LENGTH), now), t);
        strftime(want, sizeof(want), "%a %b %e %H:%M:%S %Y", &tm);
        assert_int_equal(parse(want), t);
        if (tm.tm_year < 75 || tm.tm_year > 172)
            continue;
        strftime(want, sizeof(want), "%A, %d-%b-%y %H:%M:%S GMT", &tm);
        assert_int_equal(parse(want), t);
    }
}

static void clamped(void **state)
{
    (void)state;
    char got[DATE_LENGTH];
    date_format(-1, got);
    assert_memory_equal(got, "Thu, 01 Jan 1970 00:00:00 GMT", DATE_LENGTH);
    date_format(INT64_MAX, got);
    assert_memory_equal(got, "Fri, 31 Dec 9999 23:59:59 GMT", DATE_LENGTH);
    assert_int_equal(parse("Mon, 01 Jan 1900 00:00:00 GMT"), 0);
    assert_int_equal(parse("Sat, 01 Jan 0000 00:00:00 GMT"), 0);
    assert_true(parse("Fri, 31 Dec 9999 23:59:59 GMT") == 253402300799);
}

static void accepted(void **state)
{
    (void)state;
    assert_int_equal(parse("Sun, 06 Nov 1994 08:49:37 GMT"), 784111777);
    assert_int_equal(parse("Sunday, 06-Nov-94 08:49:37 GMT"), 784111777);
    assert_int_equal(parse("Sun Nov  6 08:49:37 1994"), 784111777);
    assert_int_equal(parse("Sun Nov 06 08:49:37 1994"), 784111777);
    assert_int_equal(parse("SUN, 06 nov 1994 08:49:37 gMT"), 784111777);
    assert_int_equal(parse("Thu, 18 Aug 2050 02:01:18 GMT"), 2544400878);
    assert_int_equal(parse("Thursday, 18-Aug-50 02:01:18 GMT"), 2544400878);
    assert_true(parse("Sun, 21 Nov 2286 04:46:39 GMT") > (int64_t)1 << 32);
    assert_int_equal(parse("Thu, 29 Feb 2024 00:00:00 GMT"), 1709164800);
    assert_int_equal(parse("Tue, 29 Feb 2000 00:00:00 GMT"), 951782400);
    assert_int_equal(parse("Sat, 31 Dec 2016 23:59:60 GMT"), 1483228800); /* a leap second */
    assert_int_equal(date_parse(SLICE("Friday, 01-Jan-10 00:00:00 GMT"), 4070908800), 4417977600);
}

static void refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "0",
        "-1",
        "now",
        "Sun",
        "Sun, ",
        "Thu, 18 Aug 2050 02:01:18 UTC",
        "Thu, 18 Aug 2050 02:01:18 AEST",
        "Thu, 18 Aug 2050 02:01:18 +0000",
        "Thu, 18 Aug 2050 02:01:18",
        "Thu, 18 Aug 50 02:01:18 GMT",
        "Thu 18 Aug 2050 02:01:18 GMT",
        "Thu, 18  Aug  2050 02:01:18 GMT",
        "Thu, 18-Aug-2050 02:01:18 GMT",
        "Thu, 18 Aug 2050 02.01.18 GMT",
        "Thu, 18 Aug 2050 2:01:18 GMT",
        "Thu, 8 Aug 2050 02:01:18 GMT",
        "Thu, 18 Aug 2050 02:01:18 GMT ",
        " Thu, 18 Aug 2050 02:01:18 GMT",
        "Thu,18 Aug 2050 02:01:18 GMT",
        "Thx, 18 Aug 2050 02:01:18 GMT",
        "Thu, 18 Agu 2050 02:01:18 GMT",
        "Thu, 00 Aug 2050 02:01:18 GMT",
        "Thu, 32 Aug 2050 02:01:18 GMT",
        "Fri, 31 Jun 2050 02:01:18 GMT",
        "Wed, 29 Feb 2023 00:00:00 GMT",
        "Thu, 29 Feb 1900 00:00:00 GMT",
        "Thu, 18 Aug 2050 24:01:18 GMT",
        "Thu, 18 Aug 2050 02:60:18 GMT",
        "Thu, 18 Aug 2050 02:01:61 GMT",
        "18 Aug 2050 02:01:18 GMT",
        "Thu, 18 Aug 2050 02:01:18 GMT, Thu, 18 Aug 2050 02:01:18 GMT",
        "Thu, 18 Aug -050 02:01:18 GMT",
        "Thursday, 18 Aug 2050 02:01:18 GMT",
        "Thu, 18-Aug-50 02:01:18 GMT",
        "Thursday, 18-Aug-2050 02:01:18 GMT",
        "Sun Nov 6 08:49:37 1994",
        "Sun Nov  6 08:49:37 94",
        "Sun Nov  6 08:49:37 1994 GMT",
        "Sun, Nov  6 08:49:37 1994",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (parse(bad[i]) != -1)
            fail_msg("accepted: %s", bad[i]);
    assert_int_equal(date_parse(slice_of(NULL, 0), now), -1);
}

static void a_whole_line(void **state)
{
    char line[DATE_LINE + 1] = "";
    (void)state;
    assert_ptr_equal(date_line(0, line), line + DATE_LINE);
    assert_string_equal(line, "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_days_there_and_back),
        cmocka_unit_test(a_whole_line),
        cmocka_unit_test(clamped),
        cmocka_unit_test(accepted),
        cmocka_unit_test(refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
