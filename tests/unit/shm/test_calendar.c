/* SPDX-License-Identifier: Apache-2.0 */
/* Windows of time beside what the C library makes of the same moments. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "shm/calendar.h"
#include <time.h>

static void expect(enum calendar_unit unit, int64_t now, struct tm from, struct tm till)
{
    struct calendar_window w = calendar_window(unit, now);
    assert_int_equal(w.from, timegm(&from) * 1000);
    assert_int_equal(w.till, timegm(&till) * 1000);
    assert_true(w.from <= now && now < w.till);
    assert_int_equal(calendar_window(unit, w.till).number, w.number + 1);
    if (w.from > 0)
        assert_int_equal(calendar_window(unit, w.from - 1).number, w.number - 1);
}

static void check(int64_t now)
{
    time_t second = now / 1000;
    struct tm t, from, till;
    gmtime_r(&second, &t);
    from = till = t;
    till.tm_sec++;
    expect(CALENDAR_SECOND, now, from, till);
    from.tm_sec = till.tm_sec = 0;
    till.tm_min++;
    expect(CALENDAR_MINUTE, now, from, till);
    till = from;
    from.tm_min = till.tm_min = 0;
    till.tm_hour++;
    expect(CALENDAR_HOUR, now, from, till);
    till = from;
    from.tm_hour = till.tm_hour = 0;
    till.tm_mday++;
    expect(CALENDAR_DAY, now, from, till);
    till = from;
    from.tm_mday = till.tm_mday = 1;
    till.tm_mon++;
    expect(CALENDAR_MONTH, now, from, till);
    till = from;
    from.tm_mon = till.tm_mon = 0;
    till.tm_year++;
    expect(CALENDAR_YEAR, now, from, till);
}

static void like_the_library(void **state)
{
    (void)state;
    check(0);
    check(951782399999); /* the last ms before and the first of 2000-02-29 */
    check(951782400000);
    check(4107542399999); /* 2100 has no leap day */
    check(4107542400000);
    for (int64_t now = 7; now < INT64_C(4200000000000); now += INT64_C(86400000) * 11 + 12345677)
        check(now);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(like_the_library) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
