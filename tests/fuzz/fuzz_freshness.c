/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as the fields of a response: directives, lifetime and age within their ranges, and
 * dates that survive. */
#include "worker/http/date.h"
#include "worker/http/freshness.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FIELDS_MAX = 4096 };

static void check(bool expression)
{
    if (!expression)
        abort();
}

static bool in_range(int64_t seconds)
{
    return seconds >= FRESHNESS_UNSET && seconds <= (int64_t)1 << 31;
}

static void check_control(const struct cache_control *cc)
{
    check(in_range(cc->max_age) && in_range(cc->s_maxage) && in_range(cc->max_stale));
    check(in_range(cc->min_fresh) && in_range(cc->stale_while_revalidate) &&
          in_range(cc->stale_if_error));
    check(!(cc->no_cache && cc->no_cache_fields) && !(cc->private_ && cc->private_fields));
}

static void check_date(struct slice text, int64_t now)
{
    char out[DATE_LENGTH];
    int64_t date = date_parse(text, now);
    check(date >= -1);
    if (date < 0 || date > 253402300799) /* a leap second at the end of time */
        return;
    date_format(date, out);
    check(date_parse(slice_of(out, DATE_LENGTH), now) == date);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct head h;
    static const char line[] = "HTTP/1.1 200 OK\r\n";
    char text[FIELDS_MAX + 64];
    const int64_t now = 1700000000;
    struct cache_control cc;
    if (size > FIELDS_MAX)
        return 0;
    check_date(slice_of((const char *)data, size), now);
    freshness_clear(&cc);
    freshness_parse(slice_of((const char *)data, size), &cc);
    check_control(&cc);
    memcpy(text, line, sizeof(line) - 1);
    memcpy(text + sizeof(line) - 1, data, size);
    memcpy(text + sizeof(line) - 1 + size, "\r\n\r\n", 4);
    if (head_response(text, sizeof(line) + 3 + size, 0, METHOD_GET, &h) <= 0)
        return 0;
    freshness_directives(&h, &cc);
    check_control(&cc);
    check(freshness_lifetime(&h, &cc, now) >= FRESHNESS_UNSET);
    check(freshness_initial_age(&h, now - 2, now) >= 2);
    return 0;
}
