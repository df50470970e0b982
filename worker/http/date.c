/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dates between seconds and text, without libc's locales and time zones. Years begin in March here,
 * so that the leap day comes last and the days before a month are a straight line. Parsing is
 * strict about the form of the three formats and tolerant about the case of letters; the name of
 * the day is checked to be one, not to be right.
 */
#include "worker/http/date.h"

enum { DAY = 86400, DAYS_0000_03_01 = -719468, YEAR_MAX = 9999, CENTURY = 100 };

static const char day_names[7][10] = { "Sunday",   "Monday", "Tuesday", "Wednesday",
                                       "Thursday", "Friday", "Saturday" };
static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

struct civil {
    int64_t year;
    int month, day; /* 1.. */
};

static int64_t days_from_civil(struct civil c)
{
    int64_t year = c.month <= 2 ? c.year - 1 : c.year;
    int64_t month = (c.month + 9) % 12; /* March is 0 */
    return year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + c.day - 1 +
           DAYS_0000_03_01;
}

/* `days` not before 1970. */
static struct civil civil_from_days(int64_t days)
{
    int64_t d = days - DAYS_0000_03_01;
    int64_t era = d / 146097, in_era = d % 146097; /* 400 years */
    int64_t in_era_year = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
    int64_t in_year = in_era - (in_era_year * 365 + in_era_year / 4 - in_era_year / 100);
    int64_t month = (in_year * 5 + 2) / 153;
    struct civil c = { era * 400 + in_era_year, (int)(month < 10 ? month + 3 : month - 9),
                       (int)(in_year - (month * 153 + 2) / 5 + 1) };
    if (c.month <= 2)
        c.year++;
    return c;
}

static void put_two(char *to, int64_t n)
{
    to[0] = (char)('0' + n / 10);
    to[1] = (char)('0' + n % 10);
}

void date_format(int64_t seconds, char out[DATE_LENGTH])
{
    const int64_t last = (days_from_civil((struct civil){ YEAR_MAX, 12, 31 }) + 1) * DAY - 1;
    seconds = seconds < 0 ? 0 : seconds > last ? last : seconds;
    int64_t days = seconds / DAY, rest = seconds % DAY;
    struct civil c = civil_from_days(days);
    memcpy(out, "Sun, 00 Jan 0000 00:00:00 GMT", DATE_LENGTH);
    memcpy(out, day_names[(days + 4) % 7], 3); /* 1970 began on a Thursday */
    put_two(out + 5, c.day);
    memcpy(out + 8, months + 3 * (c.month - 1), 3);
    put_two(out + 12, c.year / CENTURY);
    put_two(out + 14, c.year % CENTURY);
    put_two(out + 17, rest / 3600);
    put_two(out + 20, rest / 60 % 60);
    put_two(out + 23, rest % 60);
}

char *date_line(int64_t seconds, char *out)
{
    memcpy(out, "Date: ", 6);
    date_format(seconds, out + 6);
    memcpy(out + 6 + DATE_LENGTH, "\r\n", 2);
    return out + DATE_LINE;
}

/* Eats text from the front; each step says whether it was there. */
static bool eat(struct slice *text, const char *wanted, size_t n)
{
    if (text->n < n || !slice_equal_nocase(slice_of(text->p, n), slice_of(wanted, n)))
        return false;
    *text = slice_from(*text, n);
    return true;
}

static bool eat_digits(struct slice *text, size_t n, int *out)
{
    *out = 0;
    if (text->n < n)
        return false;
    for (size_t i = 0; i < n; i++) {
        unsigned digit = (unsigned char)text->p[i] - (unsigned)'0';
        if (digit > 9)
            return false;
        *out = *out * 10 + (int)digit;
    }
    *text = slice_from(*text, n);
    return true;
}

static bool eat_month(struct slice *text, int *month)
{
    for (*month = 1; *month <= 12; ++*month)
        if (eat(text, months + 3 * (*month - 1), 3))
            return true;
    return false;
}

/* "08:49:37", with a leap second; seconds of the day. */
static bool eat_time(struct slice *text, int64_t *out)
{
    int hour, minute, second;
    if (!eat_digits(text, 2, &hour) || !eat(text, ":", 1) || !eat_digits(text, 2, &minute) ||
        !eat(text, ":", 1) || !eat_digits(text, 2, &second))
        return false;
    *out = hour * 3600 + minute * 60 + second;
    return hour < 24 && minute < 60 && second <= 60;
}

static bool eat_year(struct slice *text, struct civil *c)
{
    int year;
    bool there = eat_digits(text, 4, &year);
    c->year = year;
    return there;
}

/* "06 Nov 1994 08:49:37 GMT" */
static bool eat_fixdate(struct slice *text, struct civil *c, int64_t *time)
{
    return eat_digits(text, 2, &c->day) && eat(text, " ", 1) && eat_month(text, &c->month) &&
           eat(text, " ", 1) && eat_year(text, c) && eat(text, " ", 1) && eat_time(text, time) &&
           eat(text, " GMT", 4);
}

/* "06-Nov-94 08:49:37 GMT"; of the years with these two digits the one that is at most 50 ahead of
 * now. */
static bool eat_rfc850(struct slice *text, struct civil *c, int64_t *time, int64_t now)
{
    int year;
    if (!eat_digits(text, 2, &c->day) || !eat(text, "-", 1) || !eat_month(text, &c->month) ||
        !eat(text, "-", 1) || !eat_digits(text, 2, &year) || !eat(text, " ", 1) ||
        !eat_time(text, time) || !eat(text, " GMT", 4))
        return false;
    int64_t this_year = civil_from_days(now < 0 ? 0 : now / DAY).year;
    c->year = this_year - this_year % CENTURY + year;
    if (c->year > this_year + CENTURY / 2)
        c->year -= CENTURY;
    else if (c->year <= this_year - CENTURY / 2)
        c->year += CENTURY;
    return true;
}

/* "Nov  6 08:49:37 1994" */
static bool eat_asctime(struct slice *text, struct civil *c, int64_t *time)
{
    if (!eat_month(text, &c->month) || !eat(text, " ", 1))
        return false;
    bool day = eat(text, " ", 1) ? eat_digits(text, 1, &c->day) : eat_digits(text, 2, &c->day);
    return day && eat(text, " ", 1) && eat_time(text, time) && eat(text, " ", 1) &&
           eat_year(text, c);
}

static bool real_day(struct civil c)
{
    static const char lengths[12] = { 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool leap = c.year % 4 == 0 && (c.year % 100 != 0 || c.year % 400 == 0);
    if (c.day < 1 || c.day > lengths[c.month - 1])
        return false;
    return c.month != 2 || c.day < 29 || leap;
}

static bool eat_any(struct slice *text, struct civil *c, int64_t *time, int64_t now)
{
    for (int i = 0; i < 7; i++) {
        struct slice rest = *text;
        size_t n = strlen(day_names[i]);
        if (eat(&rest, day_names[i], n) && eat(&rest, ", ", 2)) {
            *text = rest;
            return eat_rfc850(text, c, time, now);
        }
        rest = *text;
        if (!eat(&rest, day_names[i], 3))
            continue;
        *text = rest;
        return eat(text, ", ", 2) ? eat_fixdate(text, c, time)
                                  : eat(text, " ", 1) && eat_asctime(text, c, time);
    }
    return false;
}

int64_t date_parse(struct slice text, int64_t now)
{
    struct civil c;
    int64_t time;
    if (!eat_any(&text, &c, &time, now) || text.n || !real_day(c))
        return -1;
    int64_t seconds = days_from_civil(c) * DAY + time;
    return seconds < 0 ? 0 : seconds;
}
