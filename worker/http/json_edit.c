/* SPDX-License-Identifier: Apache-2.0 */
/* The object becomes a list of members, each of them two slices of the text; objects within it only
 * where a name leads into them. Then the list is written. */
#include "worker/http/json_edit.h"

#include "worker/http/build.h"
#include "worker/http/json.h"
#include "worker/http/json_text.h"

struct object;

struct member {
    struct slice name, value; /* as they are written; name.p NULL: it was taken out */
    struct object *inner;     /* in place of the value; NULL: it was not looked into */
};

/* Members that were there in one array, with room behind them for one of each change. */
struct object {
    struct member *v;
    size_t n;
};

struct editor {
    struct arena *arena;
    size_t room; /* for new members, in each object */
    bool changed, starved;
};

static struct object *read_object(struct editor *e, struct slice text)
{
    struct slice rest = text;
    struct json_text_member m;
    size_t n = 0;
    while (json_text_next(&rest, &m))
        n++;
    struct object *o = arena_take(e->arena, sizeof *o);
    struct member *v = arena_take(e->arena, (n + e->room) * sizeof *v);
    if (!o || !v) {
        e->starved = true;
        return NULL;
    }
    *o = (struct object){ v, 0 };
    for (rest = text; o->n < n && json_text_next(&rest, &m); o->n++)
        v[o->n] = (struct member){ m.name, m.value, NULL };
    return o;
}

/* The last one of that name; those before it are taken out. NULL: there is none. */
static struct member *find(struct editor *e, struct object *o, struct slice name)
{
    struct member *found = NULL;
    for (size_t i = o->n; i-- > 0;) {
        struct member *m = &o->v[i];
        if (!m->name.p || !json_text_means(m->name, name))
            continue;
        if (found) {
            m->name = slice_of(NULL, 0);
            e->changed = true;
        } else {
            found = m;
        }
    }
    return found;
}

static struct slice quoted(struct editor *e, struct slice text)
{
    size_t cap = JSON_GROWTH * text.n;
    char *out = arena_take(e->arena, cap + 2);
    if (!out) {
        e->starved = true;
        return SLICE("\"\"");
    }
    out[0] = '"';
    size_t n = json_escape(out + 1, cap, text);
    out[n + 1] = '"';
    return slice_of(out, n + 2);
}

static struct slice write_value(struct editor *e, const struct edit *edit)
{
    if (edit->type == CONF_JSON_NUMBER)
        return edit->value;
    if (edit->type == CONF_JSON_BOOLEAN)
        return slice_equal(edit->value, SLICE("true")) ? SLICE("true") : SLICE("false");
    return quoted(e, edit->value);
}

static void put_member(struct editor *e, struct object *o, struct slice name, struct member m)
{
    m.name = quoted(e, name);
    o->v[o->n++] = m;
    e->changed = true;
}

static struct slice join(struct editor *e, struct slice a, const char *between, struct slice b)
{
    size_t n = strlen(between);
    char *out = arena_take(e->arena, a.n + n + b.n + 2);
    if (!out) {
        e->starved = true;
        return SLICE("[]");
    }
    char *at = out;
    if (a.n == 0 || *a.p != '[')
        *at++ = '[';
    if (a.n)
        memcpy(at, a.p, a.n);
    memcpy(at + a.n, between, n);
    memcpy(at + a.n + n, b.p, b.n);
    at += a.n + n + b.n;
    *at++ = ']';
    return slice_of(out, (size_t)(at - out));
}

static bool is_empty_array(struct slice inside)
{
    for (size_t i = 1; i < inside.n; i++)
        if (inside.p[i] != ' ' && inside.p[i] != '\t' && inside.p[i] != '\n' && inside.p[i] != '\r')
            return false;
    return true;
}

static struct slice write_members(struct editor *e, const struct object *o);

static struct slice appended(struct editor *e, const struct member *old, struct slice value)
{
    struct slice text = !old         ? slice_of(NULL, 0)
                        : old->inner ? write_members(e, old->inner)
                                     : old->value;
    if (text.n == 0)
        return join(e, text, "", value);
    if (*text.p != '[')
        return join(e, text, ",", value);
    text.n--;
    return join(e, text, is_empty_array(text) ? "" : ",", value);
}

static void rename_member(struct editor *e, struct object *o, const struct edit *edit)
{
    struct member *from = find(e, o, edit->name);
    if (!from || slice_equal(edit->name, edit->value))
        return;
    struct member *to = find(e, o, edit->value);
    if (to)
        to->name = slice_of(NULL, 0);
    from->name = quoted(e, edit->value);
    e->changed = true;
}

static void change(struct editor *e, struct object *o, const struct edit *edit)
{
    if (edit->kind == CONF_CHANGE_RENAME) {
        rename_member(e, o, edit);
        return;
    }
    struct member *m = find(e, o, edit->name);
    if (edit->kind == CONF_CHANGE_REMOVE) {
        e->changed |= m != NULL;
        if (m)
            m->name = slice_of(NULL, 0);
        return;
    }
    if ((edit->kind == CONF_CHANGE_REPLACE && !m) || (edit->kind == CONF_CHANGE_ADD && m))
        return;
    struct slice value = write_value(e, edit);
    if (edit->kind == CONF_CHANGE_APPEND)
        value = appended(e, m, value);
    e->changed = true;
    if (m)
        *m = (struct member){ m->name, value, NULL };
    else
        put_member(e, o, edit->name, (struct member){ .value = value });
}

/* --- nested names --------------------------------------------------------------------------- */

/* The object that a member holds, looked into; NULL: it holds something else. */
static struct object *enter(struct editor *e, struct member *m)
{
    if (!m->inner && m->value.n && *m->value.p == '{')
        m->inner = read_object(e, m->value);
    return m->inner;
}

/* What is set makes the objects that lead to it. */
static struct object *descend(struct editor *e, struct object *o, struct slice name, bool sets)
{
    struct member *m = find(e, o, name);
    if (m)
        return enter(e, m);
    if (!sets)
        return NULL;
    struct object *inner = read_object(e, slice_of(NULL, 0));
    if (inner)
        put_member(e, o, name, (struct member){ .inner = inner });
    return inner;
}

/* Whether it can be done, whatever the body says. */
static bool is_sound(const struct edit *edit)
{
    bool valued = edit->kind == CONF_CHANGE_REPLACE || edit->kind == CONF_CHANGE_ADD ||
                  edit->kind == CONF_CHANGE_APPEND;
    return !valued || edit->type != CONF_JSON_NUMBER || json_text_is_number(edit->value);
}

static void change_nested(struct editor *e, struct object *o, struct edit edit)
{
    bool sets = edit.kind == CONF_CHANGE_ADD || edit.kind == CONF_CHANGE_APPEND;
    const char *dot;
    while (o && (dot = memchr(edit.name.p, '.', edit.name.n)) != NULL) {
        size_t n = (size_t)(dot - edit.name.p);
        o = descend(e, o, slice_of(edit.name.p, n), sets);
        edit.name = slice_of(dot + 1, edit.name.n - n - 1);
    }
    if (o)
        change(e, o, &edit);
}

/* --- the whole ------------------------------------------------------------------------------ */

static void allow_only(struct editor *e, struct object *o, const struct edits *edits)
{
    bool any = false;
    for (size_t i = 0; i < edits->n; i++)
        any |= edits->v[i].kind == CONF_CHANGE_ALLOW;
    for (size_t k = 0; any && k < o->n; k++) {
        struct member *m = &o->v[k];
        bool stays = !m->name.p;
        for (size_t i = 0; !stays && i < edits->n; i++)
            stays =
                edits->v[i].kind == CONF_CHANGE_ALLOW && json_text_means(m->name, edits->v[i].name);
        if (stays)
            continue;
        m->name = slice_of(NULL, 0);
        e->changed = true;
    }
}

static size_t space(const struct object *o)
{
    size_t n = 2;
    for (size_t i = 0; i < o->n; i++)
        n += o->v[i].name.n + 2 + (o->v[i].inner ? space(o->v[i].inner) : o->v[i].value.n);
    return n;
}

static char *write_object(char *at, const struct object *o)
{
    bool first = true;
    *at++ = '{';
    for (size_t i = 0; i < o->n; i++) {
        const struct member *m = &o->v[i];
        if (!m->name.p)
            continue;
        if (!first)
            *at++ = ',';
        first = false;
        at = build_slice(at, m->name);
        *at++ = ':';
        at = m->inner ? write_object(at, m->inner) : build_slice(at, m->value);
    }
    *at++ = '}';
    return at;
}

static struct slice write_members(struct editor *e, const struct object *o)
{
    char *out = arena_take(e->arena, space(o));
    if (!out) {
        e->starved = true;
        return SLICE("{}");
    }
    return slice_of(out, (size_t)(write_object(out, o) - out));
}

enum edit_result json_edit(struct slice text, const struct edits *edits, struct arena *arena,
                           struct slice *out)
{
    struct editor e = { .arena = arena, .room = edits->n };
    struct slice value = { NULL, 0 };
    if (text.n && (!json_text_check(text, &value) || *value.p != '{'))
        return EDIT_SAME;
    struct object *o = read_object(&e, value);
    for (size_t i = 0; o && i < edits->n; i++) {
        if (edits->v[i].kind == CONF_CHANGE_ALLOW || !is_sound(&edits->v[i]))
            continue;
        if (edits->nested)
            change_nested(&e, o, edits->v[i]);
        else
            change(&e, o, &edits->v[i]);
    }
    if (o)
        allow_only(&e, o, edits);
    if (o && e.changed)
        *out = write_members(&e, o);
    if (e.starved)
        return EDIT_NO_MEMORY;
    return e.changed ? EDIT_DONE : EDIT_SAME;
}
