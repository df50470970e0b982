/* SPDX-License-Identifier: Apache-2.0 */
/* Up to days a division; months and years by the proleptic Gregorian calendar, counted from a first
 * of March, so that the leap day comes last. */
#include "shm/calendar.h"

enum { DAY_MS = 24 * 3600 * 1000, YEARS_400 = 146097 /* days in 400 years */ };

/* Days from 1970-01-01 to the first of a month, 1..12. */
static int64_t days_to(int64_t year, int month)
{
    int64_t y = month > 2 ? year : year - 1, era = y / 400, of_era = y % 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5;
    return era * YEARS_400 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static int64_t year_of(int64_t day)
{
    int64_t year = 1970 + day / 366; /* never too late a year */
    while (days_to(year + 1, 1) <= day)
        year++;
    return year;
}

static struct calendar_window between(int64_t number, int64_t first, int64_t next)
{
    return (struct calendar_window){ (uint32_t)number, first * DAY_MS, next * DAY_MS };
}

struct calendar_window calendar_window(enum calendar_unit unit, int64_t now)
{
    static const int64_t lengths[] = { 1000, 60 * 1000, 3600 * 1000, DAY_MS };

    if (unit < CALENDAR_MONTH) {
        int64_t number = now / lengths[unit];
        return (struct calendar_window){ (uint32_t)number, number * lengths[unit],
                                         (number + 1) * lengths[unit] };
    }
    int64_t day = now / DAY_MS, year = year_of(day);
    if (unit == CALENDAR_YEAR)
        return between(year, days_to(year, 1), days_to(year + 1, 1));
    int month = 1;
    while (month < 12 && days_to(year, month + 1) <= day)
        month++;
    return between(year * 12 + month - 1, days_to(year, month),
                   month < 12 ? days_to(year, month + 1) : days_to(year + 1, 1));
}
