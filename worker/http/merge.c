/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every field of the 304 replaces all stored lines of its name, but for what describes the stored
 * bytes (length, coding, range) and for Vary, by which the object was filed. Date goes in any case:
 * with the one of the first response, a renewed one would be as old as that.
 */
#include "worker/http/merge.h"
#include "worker/http/build.h"
#include "worker/http/lines.h"

static bool updates(const struct field *f, bool cookies)
{
    static const struct storable nothing = { 0 };

    if (f->id == FIELD_CONTENT_ENCODING || f->id == FIELD_CONTENT_RANGE || f->id == FIELD_VARY)
        return false;
    if (f->id == FIELD_SET_COOKIE && !cookies)
        return false;
    return storable_field(&nothing, f);
}

static bool replaced(const struct head *response, struct slice name, bool cookies)
{
    const struct field *f = head_find(response, name);

    if (slice_equal_nocase(name, SLICE("Date")))
        return true;
    return f && updates(f, cookies);
}

ptrdiff_t merge_head(struct slice stored, const struct head *response, bool cookies, char *out,
                     size_t cap)
{
    const char *end = out + cap;
    char *to = out;
    struct slice rest = stored;
    struct line line;

    if (stored.n > cap)
        return -1;
    while (lines_next(&rest, &line))
        if (!replaced(response, line.name, cookies))
            to = build_slice(to, line.whole);
    for (int i = 0; i < response->fields_n; i++) {
        const struct field *f = &response->fields[i];
        if (!updates(f, cookies))
            continue;
        if ((size_t)(end - to) < f->name_n + f->value_n + 4u)
            return -1;
        to = build_field(to, slice_of(f->name, f->name_n), slice_of(f->value, f->value_n));
    }
    return to - out;
}

ptrdiff_t merge_message(int status, struct slice lines, const struct head *response, char *out,
                        size_t cap)
{
    struct slice age = field_value(head_field(response, FIELD_AGE));

    if (lines.n + age.n + BUILD_STATUS_LINE_MAX + 16 > cap)
        return -1;
    char *to = build_status_line(out, status);
    to = build_slice(to, lines);
    if (age.p)
        to = build_field(to, SLICE("Age"), age);
    return build_slice(to, SLICE("\r\n")) - out;
}

ptrdiff_t merge_without(const struct storable *verdict, struct slice lines, char *out)
{
    char *to = out;
    struct line line;

    while (lines_next(&lines, &line)) {
        struct field f = { .name = line.name.p, .name_n = (uint16_t)line.name.n };
        if (!storable_field(verdict, &f))
            continue;
        memmove(to, line.whole.p, line.whole.n);
        to += line.whole.n;
    }
    return to - out;
}
