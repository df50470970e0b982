/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as the fields of a response that is stored and of a 304 that renews it: verdicts within
 * their ranges, names and values that vary, a merged head that is a head again, ranges inside the
 * body. The first line is a Range, the rest are fields. */
#include "worker/http/lines.h"
#include "worker/http/merge.h"
#include "worker/http/range.h"
#include "worker/http/tags.h"
#include "worker/http/vary.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FIELDS_MAX = 4096 };

static void check(bool expression)
{
    if (!expression)
        abort();
}

static void check_ranges(struct slice value)
{
    struct range ranges[RANGE_MAX];
    uint64_t body = value.n * 7;
    char text[200];
    int n = range_parse(value, body, ranges);
    check(n >= -1 && n <= RANGE_MAX);
    for (int i = 0; i < n; i++) {
        check(ranges[i].n > 0 && ranges[i].from < body && ranges[i].n <= body - ranges[i].from);
        check(range_field(text, &ranges[i], body) - text <= 90);
    }
}

static void check_vary(const struct head *h)
{
    char names[VARY_NAMES_MAX], again[VARY_NAMES_MAX], line[FIELDS_MAX * 2];
    ptrdiff_t n = vary_names(h, slice_of("a,host", 6), names);
    check(n >= -1 && n <= VARY_NAMES_MAX);
    if (n <= 0)
        return;
    check(vary_names(h, slice_of(names, (size_t)n), again) == n &&
          memcmp(names, again, (size_t)n) == 0);
    for (int i = 0; i < h->fields_n; i++) {
        struct slice value = slice_of(h->fields[i].value, h->fields[i].value_n);
        char *end = vary_line(line, line + sizeof line, slice_of("x", 1), value);
        check(end && end - line <= (ptrdiff_t)value.n + 6);
    }
}

/* Tags are read back from the own lines as from the response's. */
static void check_tags(const struct head *h)
{
    char lines[FIELDS_MAX * 3];
    char *end = tags_keep(lines, lines + sizeof lines, h);
    check(end != NULL);
    struct tags tags = tags_of(slice_of(lines, (size_t)(end - lines)));
    struct slice tag;
    size_t n = 0;
    while (tags_next(&tags, &tag))
        n += tag.n;
    check(n <= (size_t)(end - lines));
    check(tags_behind(slice_of(lines, (size_t)(end - lines))).n == 0);
}

static void check_merge(const struct head *h, const struct storable *verdict)
{
    static struct head merged;
    char lines[FIELDS_MAX * 3], message[FIELDS_MAX * 4];
    ptrdiff_t n = merge_head(slice_of("ETag: a\r\nVia: b\r\n", 18), h, true, lines, sizeof lines);
    check(n >= 0);
    n = merge_without(verdict, slice_of(lines, (size_t)n), lines);
    ptrdiff_t m = merge_message(200, slice_of(lines, (size_t)n), h, message, sizeof message);
    check(m > 0 &&
          (h->fields_n > 100 || head_response(message, (size_t)m, 0, METHOD_HEAD, &merged) == m));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct head h;
    static const char line[] = "HTTP/1.1 200 OK\r\n";
    const struct storable_rules rules = { .obey = size % 2 == 0,
                                          .cookies = true,
                                          .ttl = (int64_t)(size % 3) };
    const char *end = size ? memchr(data, '\n', size) : NULL;
    char text[FIELDS_MAX + 64];
    struct storable verdict;
    if (!end || size > FIELDS_MAX)
        return 0;
    check_ranges(slice_of((const char *)data, (size_t)(end - (const char *)data)));
    size -= (size_t)(end + 1 - (const char *)data);
    memcpy(text, line, sizeof(line) - 1);
    memcpy(text + sizeof(line) - 1, end + 1, size);
    memcpy(text + sizeof(line) - 1 + size, "\r\n\r\n", 4);
    if (head_response(text, sizeof(line) + 3 + size, 0, METHOD_HEAD, &h) <= 0)
        return 0;
    storable_judge(&h, &rules, 1700000000, 1700000005, &verdict);
    check(verdict.age >= 0 && verdict.lifetime >= 0 && verdict.keep >= 0);
    if (!verdict.refusal)
        check_vary(&h);
    check_merge(&h, &verdict);
    check_tags(&h);
    return 0;
}
