/* SPDX-License-Identifier: Apache-2.0 */
/* A list of name=value pairs, changed in Kong's order, then written again. Names compare decoded.
 */
#include "worker/plugins/arguments.h"
#include "worker/plugins/lookup.h"

struct argument {
    struct slice name, value; /* as they are written; name.p NULL: taken out */
};

struct arguments {
    struct stream *s;
    struct argument *v;
    size_t n;
};

static struct slice slice_text(struct conf_text text)
{
    return slice_of(text.s, text.n);
}

static size_t count(struct slice rest)
{
    struct slice name, value;
    size_t n = 0;
    while (rest.p && uri_query_next(&rest, &name, &value))
        n++;
    return n;
}

/* The first of that name from `from` on, or the end. */
static size_t find(struct arguments *a, size_t from, struct conf_text name)
{
    while (from < a->n &&
           (!a->v[from].name.p || !lookup_is_named(a->s, a->v[from].name, slice_text(name))))
        from++;
    return from;
}

static void take_out(struct arguments *a, size_t from, struct conf_text name)
{
    for (size_t i = find(a, from, name); i < a->n; i = find(a, i + 1, name))
        a->v[i].name = slice_of(NULL, 0);
}

static enum render_result rename_all(struct arguments *a, const struct conf_change *change)
{
    struct slice to = render_encoded(a->s, slice_text(change->to));
    size_t first = find(a, 0, change->name);
    if (!to.p)
        return RENDER_NO_MEMORY;
    if (first == a->n || slice_equal(slice_text(change->name), slice_text(change->to)))
        return RENDER_DONE;
    take_out(a, 0, change->to);
    for (size_t i = first; i < a->n; i = find(a, i + 1, change->name))
        a->v[i].name = to;
    return RENDER_DONE;
}

static enum render_result change_one(struct arguments *a, enum conf_change_kind kind,
                                     const struct conf_change *change)
{
    struct argument new = { 0 };
    size_t first = find(a, 0, change->name);
    if (kind == CONF_CHANGE_REMOVE) {
        take_out(a, 0, change->name);
        return RENDER_DONE;
    }
    if (kind == CONF_CHANGE_RENAME)
        return rename_all(a, change);
    if (kind != CONF_CHANGE_APPEND && (first == a->n) != (kind == CONF_CHANGE_ADD))
        return RENDER_DONE;
    enum render_result r = render_text(a->s, change->value, RENDER_ARGUMENT, &new.value);
    new.name = render_encoded(a->s, slice_text(change->name));
    if (r != RENDER_DONE || !new.name.p)
        return r != RENDER_DONE ? r : RENDER_NO_MEMORY;
    if (kind == CONF_CHANGE_REPLACE)
        take_out(a, first + 1, change->name);
    else
        first = a->n++; /* there is room for one of each change */
    a->v[first] = new;
    return RENDER_DONE;
}

static char *put(char *to, struct slice text)
{
    if (text.n)
        memcpy(to, text.p, text.n);
    return to + text.n;
}

static bool write_all(struct arguments *a, struct slice *query)
{
    size_t room = 1;
    for (size_t i = 0; i < a->n; i++)
        room += a->v[i].name.n + a->v[i].value.n + 2;
    char *text = arena_take(stream_arena(a->s), room), *at = text;
    if (!text)
        return false;
    for (size_t i = 0; i < a->n; i++) {
        if (!a->v[i].name.p)
            continue;
        if (at > text)
            *at++ = '&';
        at = put(at, a->v[i].name);
        if (a->v[i].value.p)
            *at++ = '=';
        at = put(at, a->v[i].value);
    }
    *query = at > text ? slice_of(text, (size_t)(at - text)) : slice_of(NULL, 0);
    return true;
}

enum render_result arguments_change(struct stream *s, const struct conf_transform *changes,
                                    struct slice *query)
{
    struct arguments a = { .s = s };
    struct slice rest = *query;
    size_t room = count(rest), wanted = 0;
    for (int kind = 0; kind < CONF_CHANGE_KINDS; kind++)
        wanted += changes->kinds[kind].n;
    if (wanted == 0)
        return RENDER_DONE;
    a.v = arena_take(stream_arena(s), (room + wanted) * sizeof *a.v);
    if (!a.v)
        return RENDER_NO_MEMORY;
    while (a.n < room && uri_query_next(&rest, &a.v[a.n].name, &a.v[a.n].value))
        a.n++;
    for (int kind = 0; kind < CONF_CHANGE_KINDS; kind++)
        for (size_t i = 0; i < changes->kinds[kind].n; i++) {
            enum render_result r =
                change_one(&a, (enum conf_change_kind)kind, &changes->kinds[kind].v[i]);
            if (r != RENDER_DONE)
                return r;
        }
    return write_all(&a, query) ? RENDER_DONE : RENDER_NO_MEMORY;
}
