/* SPDX-License-Identifier: Apache-2.0 */
/* A list of name=value pairs as they are written; `after` is the value alone, NULL without "=". */
#include "worker/http/form_edit.h"
#include "conf/hex.h"
#include "worker/http/build.h"
#include "worker/http/edit_list.h"
#include "worker/http/uri.h"

static bool is_malformed(struct slice raw)
{
    const char *p = raw.p, *end = p + raw.n;
    for (; p && (p = memchr(p, '%', (size_t)(end - p))) != NULL; p++)
        if (hex_escaped(p, end) < 0)
            return true;
    return false;
}

bool form_edit_means(struct slice raw, struct slice name)
{
    const char *p = raw.p, *end = p + raw.n;
    size_t at = 0;
    if (raw.n < name.n) /* decoding only shortens */
        return false;
    if (slice_equal(raw, name))
        return !raw.n || (!memchr(p, '%', raw.n) && !memchr(p, '+', raw.n)) || is_malformed(raw);
    for (; p < end; p++, at++) {
        int c = *p == '+' ? ' ' : (unsigned char)*p;
        if (c == '%' && (c = hex_escaped(p, end)) >= 0)
            p += HEX_ESCAPE - 1;
        if (c < 0 || at == name.n || (unsigned char)name.p[at] != c)
            return false;
    }
    return at == name.n;
}

char *form_edit_encode(char *out, struct slice text)
{
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        if (hex_is_unreserved(c))
            *out++ = (char)c;
        else
            out = hex_escape(out, c);
    }
    return out;
}

struct slice form_edit_join(struct slice query, struct slice form, struct arena *arena)
{
    char *out = query.n + form.n ? arena_take(arena, query.n + 1 + 3 * form.n) : NULL, *at = out;
    if (!out)
        return slice_of(NULL, 0);
    at = build_slice(at, query);
    if (query.n && form.n)
        *at++ = '&';
    for (const char *p = form.p, *end = p + form.n; p < end; p++) {
        unsigned char c = (unsigned char)*p;
        if (hex_is_unreserved(c) || c == '+' || c == '=' || c == '&' || hex_escaped(p, end) >= 0)
            *at++ = *p;
        else
            at = hex_escape(at, c);
    }
    return slice_of(out, (size_t)(at - out));
}

static struct slice encoded(struct edit_list *l, struct slice text)
{
    char *out = arena_take(l->arena, 3 * text.n + 1);
    if (!out) {
        l->starved = true;
        return SLICE("");
    }
    return slice_of(out, (size_t)(form_edit_encode(out, text) - out));
}

static struct edit_item make_pair(struct edit_list *l, const struct edit *edit)
{
    return (struct edit_item){ .name = encoded(l, edit->name), .after = encoded(l, edit->value) };
}

static struct slice write_all(struct edit_list *l)
{
    size_t room = 1;
    for (size_t i = 0; i < l->n; i++)
        room += l->v[i].name.n + l->v[i].after.n + 2;
    char *text = arena_take(l->arena, room), *at = text;
    if (!text) {
        l->starved = true;
        return SLICE("");
    }
    for (size_t i = 0; i < l->n; i++) {
        if (!l->v[i].name.p)
            continue;
        if (at > text)
            *at++ = '&';
        at = build_slice(at, l->v[i].name);
        if (l->v[i].after.p)
            *at++ = '=';
        at = build_slice(at, l->v[i].after);
    }
    return slice_of(text, (size_t)(at - text));
}

static size_t count(struct slice rest)
{
    struct slice name, value;
    size_t n = 0;
    while (uri_query_next(&rest, &name, &value))
        n++;
    return n;
}

enum edit_result form_edit(struct slice text, const struct edits *edits, struct arena *arena,
                           struct slice *out)
{
    static const struct edit_list_form form = { form_edit_means, encoded, make_pair, write_all };
    struct edit_list l = { .form = &form, .arena = arena };
    size_t there = count(text);
    if (edits->n == 0)
        return EDIT_SAME;
    l.v = arena_take(arena, (there + edits->n) * sizeof *l.v);
    if (!l.v)
        return EDIT_NO_MEMORY;
    for (; l.n < there && uri_query_next(&text, &l.v[l.n].name, &l.v[l.n].after); l.n++)
        l.v[l.n].before = slice_of(NULL, 0);
    return edit_list_apply(&l, edits, out);
}
