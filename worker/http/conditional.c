/* SPDX-License-Identifier: Apache-2.0 */
/*
 * If-None-Match decides alone where it is there; If-Modified-Since only without it, and only with a
 * date that can be read and a response that says when it changed. If-Range compares strongly: a
 * date counts only where the response was made later than that (RFC 9110 section 8.8.2.2), since
 * what changes twice in one second has one date.
 */
#include "worker/http/conditional.h"
#include "worker/http/date.h"
#include "worker/http/field.h"

static bool is_weak(struct slice tag)
{
    return tag.n >= 2 && tag.p[0] == 'W' && tag.p[1] == '/';
}

bool conditional_weak_match(struct slice a, struct slice b)
{
    if (is_weak(a))
        a = slice_from(a, 2);
    if (is_weak(b))
        b = slice_from(b, 2);
    return a.n > 0 && slice_equal(a, b);
}

static bool any_matches(const struct head *request, const struct field *f, struct slice etag)
{
    for (; f; f = head_next(request, f)) {
        struct slice rest = field_value(f);
        if (slice_equal(rest, SLICE("*")))
            return true;
        while (rest.n)
            if (conditional_weak_match(field_trim(field_cut_tag(&rest)), etag))
                return true;
    }
    return false;
}

bool conditional_not_modified(const struct head *request, const struct conditional_validators *v,
                              int64_t now)
{
    const struct field *f = head_field(request, FIELD_IF_NONE_MATCH);

    if (f)
        return any_matches(request, f, v->etag);
    f = head_field(request, FIELD_IF_MODIFIED_SINCE);
    if (!f || head_next(request, f) || v->modified == 0)
        return false;
    int64_t since = date_parse(field_value(f), now);
    return since >= 0 && v->modified <= since;
}

bool conditional_range_holds(const struct head *request, const struct conditional_validators *v,
                             int64_t now)
{
    const struct field *f = head_field(request, FIELD_IF_RANGE);
    struct slice value = field_value(f);

    if (!f)
        return true;
    if (head_next(request, f))
        return false;
    if (value.n && value.p[0] == '"')
        return slice_equal(value, v->etag);
    int64_t date = date_parse(value, now);
    return date > 0 && date == v->modified && date < v->date;
}

bool conditional_in_304(struct slice name)
{
    static const struct slice left_out[] = {
        SLICE("Content-Type"),  SLICE("Content-Encoding"), SLICE("Content-Language"),
        SLICE("Content-Range"), SLICE("Accept-Ranges"),    SLICE("Content-MD5"),
    };

    for (size_t i = 0; i < sizeof left_out / sizeof *left_out; i++)
        if (slice_equal_nocase(name, left_out[i]))
            return false;
    return true;
}
