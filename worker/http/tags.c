/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One list of separators for both fields: Cache-Tag is written with commas, Surrogate-Key with
 * spaces, and what both have in common is that no tag contains either.
 */
#include "worker/http/tags.h"
#include "worker/http/build.h"
#include "worker/http/lines.h"

static bool separates(char c)
{
    return c == ',' || c == ' ' || c == '\t';
}

bool tags_cut(struct slice *list, struct slice *tag)
{
    if (list->n == 0) /* then p may be NULL */
        return false;
    const char *p = list->p, *end = p + list->n;

    while (p < end && separates(*p))
        p++;
    const char *begin = p;
    while (p < end && !separates(*p))
        p++;
    *tag = slice_of(begin, (size_t)(p - begin));
    *list = slice_of(p, (size_t)(end - p));
    return tag->n > 0;
}

bool tags_named(struct slice name)
{
    if (name.n > 0 && *name.p == '@')
        name = slice_from(name, 1);
    return slice_equal_nocase(name, field_name(FIELD_CACHE_TAG)) ||
           slice_equal_nocase(name, field_name(FIELD_SURROGATE_KEY));
}

struct tags tags_of(struct slice head)
{
    return (struct tags){ .lines = head };
}

bool tags_next(struct tags *tags, struct slice *tag)
{
    struct line line;

    for (;;) {
        if (tags_cut(&tags->value, tag))
            return true;
        do {
            if (!lines_next(&tags->lines, &line))
                return false;
        } while (!tags_named(line.name));
        tags->value = line.value;
    }
}

bool tags_any(const struct head *response)
{
    return head_field(response, FIELD_CACHE_TAG) || head_field(response, FIELD_SURROGATE_KEY);
}

char *tags_keep(char *to, const char *end, const struct head *response)
{
    static const enum field_id fields[] = { FIELD_CACHE_TAG, FIELD_SURROGATE_KEY };

    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        for (const struct field *f = head_field(response, fields[i]); f;
             f = head_next(response, f)) {
            if ((size_t)(end - to) < f->name_n + f->value_n + 5u)
                return NULL;
            *to++ = '@';
            to = build_field(to, slice_of(f->name, f->name_n), field_value(f));
        }
    return to;
}

struct slice tags_behind(struct slice own)
{
    struct slice rest = own;
    struct line line;

    while (own.n > 0 && *own.p == '@' && lines_next(&rest, &line))
        own = rest;
    return own;
}
