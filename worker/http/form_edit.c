/* SPDX-License-Identifier: Apache-2.0 */
/* A list of name=value pairs as they are written, changed one after the other, then written again.
 */
#include "worker/http/form_edit.h"

#include "worker/http/uri.h"

struct pair {
    struct slice name, value; /* as they are written; name.p NULL: taken out */
};

struct editor {
    struct arena *arena;
    struct pair *v;
    size_t n;
    bool changed, starved;
};

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_escape(const char *p, const char *end)
{
    return end - p >= 3 && hex(p[1]) >= 0 && hex(p[2]) >= 0;
}

static bool is_malformed(struct slice raw)
{
    const char *p = raw.p, *end = p + raw.n;
    for (; p && (p = memchr(p, '%', (size_t)(end - p))) != NULL; p++)
        if (!is_escape(p, end))
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
        char c = *p == '+' ? ' ' : *p;
        if (c == '%') {
            if (!is_escape(p, end))
                return false;
            c = (char)(hex(p[1]) * 16 + hex(p[2]));
            p += 2;
        }
        if (at == name.n || name.p[at] != c)
            return false;
    }
    return at == name.n;
}

char *form_edit_encode(char *out, struct slice text)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
            c == '-' || c == '.' || c == '_' || c == '~') {
            *out++ = (char)c;
            continue;
        }
        *out++ = '%';
        *out++ = digits[c >> 4];
        *out++ = digits[c & 15];
    }
    return out;
}

static struct slice encoded(struct editor *e, struct slice text)
{
    char *out = arena_take(e->arena, 3 * text.n + 1);
    if (!out) {
        e->starved = true;
        return SLICE("");
    }
    return slice_of(out, (size_t)(form_edit_encode(out, text) - out));
}

/* The first of that name from `from` on, or the end. */
static size_t find(const struct editor *e, size_t from, struct slice name)
{
    while (from < e->n && (!e->v[from].name.p || !form_edit_means(e->v[from].name, name)))
        from++;
    return from;
}

static void take_out(struct editor *e, size_t from, struct slice name)
{
    for (size_t i = find(e, from, name); i < e->n; i = find(e, i + 1, name)) {
        e->v[i].name = slice_of(NULL, 0);
        e->changed = true;
    }
}

static void rename_all(struct editor *e, const struct edit *edit)
{
    size_t first = find(e, 0, edit->name);
    if (first == e->n || slice_equal(edit->name, edit->value))
        return;
    struct slice to = encoded(e, edit->value);
    take_out(e, 0, edit->value);
    for (size_t i = first; i < e->n; i = find(e, i + 1, edit->name))
        e->v[i].name = to;
    e->changed = true;
}

static void change(struct editor *e, const struct edit *edit)
{
    if (edit->kind == CONF_CHANGE_REMOVE) {
        take_out(e, 0, edit->name);
        return;
    }
    if (edit->kind == CONF_CHANGE_RENAME) {
        rename_all(e, edit);
        return;
    }
    size_t first = find(e, 0, edit->name);
    if (edit->kind != CONF_CHANGE_APPEND && (first == e->n) != (edit->kind == CONF_CHANGE_ADD))
        return;
    struct pair new = { encoded(e, edit->name), encoded(e, edit->value) };
    if (edit->kind == CONF_CHANGE_REPLACE)
        take_out(e, first + 1, edit->name);
    else
        first = e->n++; /* there is room for one of each change */
    e->v[first] = new;
    e->changed = true;
}

static void allow_only(struct editor *e, const struct edits *edits)
{
    bool any = false;
    for (size_t i = 0; i < edits->n; i++)
        any |= edits->v[i].kind == CONF_CHANGE_ALLOW;
    for (size_t k = 0; any && k < e->n; k++) {
        bool stays = !e->v[k].name.p;
        for (size_t i = 0; !stays && i < edits->n; i++)
            stays = edits->v[i].kind == CONF_CHANGE_ALLOW &&
                    form_edit_means(e->v[k].name, edits->v[i].name);
        if (stays)
            continue;
        e->v[k].name = slice_of(NULL, 0);
        e->changed = true;
    }
}

static char *put(char *to, struct slice text)
{
    if (text.n)
        memcpy(to, text.p, text.n);
    return to + text.n;
}

static struct slice write_all(struct editor *e)
{
    size_t room = 1;
    for (size_t i = 0; i < e->n; i++)
        room += e->v[i].name.n + e->v[i].value.n + 2;
    char *text = arena_take(e->arena, room), *at = text;
    if (!text) {
        e->starved = true;
        return SLICE("");
    }
    for (size_t i = 0; i < e->n; i++) {
        if (!e->v[i].name.p)
            continue;
        if (at > text)
            *at++ = '&';
        at = put(at, e->v[i].name);
        if (e->v[i].value.p)
            *at++ = '=';
        at = put(at, e->v[i].value);
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
    struct editor e = { .arena = arena };
    size_t there = count(text);
    if (edits->n == 0)
        return EDIT_SAME;
    e.v = arena_take(arena, (there + edits->n) * sizeof *e.v);
    if (!e.v)
        return EDIT_NO_MEMORY;
    while (e.n < there && uri_query_next(&text, &e.v[e.n].name, &e.v[e.n].value))
        e.n++;
    for (size_t i = 0; i < edits->n; i++)
        if (edits->v[i].kind != CONF_CHANGE_ALLOW)
            change(&e, &edits->v[i]);
    allow_only(&e, edits);
    if (e.changed && !e.starved)
        *out = write_all(&e);
    if (e.starved)
        return EDIT_NO_MEMORY;
    return e.changed ? EDIT_DONE : EDIT_SAME;
}
