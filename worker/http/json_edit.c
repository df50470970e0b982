/* SPDX-License-Identifier: Apache-2.0 */
/* The object becomes a list of members, each of them two slices of the text; objects and arrays
 * within it only where a name leads into them. Then the list is written. */
#include "worker/http/json_edit.h"

#include "worker/http/build.h"
#include "worker/http/json.h"
#include "worker/http/json_text.h"

struct object;

struct member {
    struct slice name, value; /* as they are written; name.p NULL: it was taken out */
    struct object *inner;     /* in place of the value; NULL: it was not looked into */
};

/* Or an array, whose members have names that are not written. */
struct object {
    struct member *v;
    size_t n, cap;
    bool list;
};

struct editor {
    struct arena *arena;
    struct slice value; /* of the edit that is under way, as it is written; absent: not yet */
    struct slice name, quoted; /* what was quoted last, and how that is written */
    size_t joined;             /* bytes of arrays that were made */
    bool changed, starved;
};

static bool next(struct slice *rest, bool list, struct member *m)
{
    struct json_text_member found = { .name = SLICE("") };
    bool any = list ? json_text_element(rest, &found.value) : json_text_next(rest, &found);
    *m = (struct member){ found.name, found.value, NULL };
    return any;
}

/* An object or array that was checked; an empty text is an object. */
static struct object *read_object(struct editor *e, struct slice text)
{
    struct slice rest = text;
    struct member m;
    bool list = text.n && *text.p == '[';
    size_t n = 0;
    while (next(&rest, list, &m))
        n++;
    struct object *o = arena_take(e->arena, sizeof *o);
    struct member *v = n ? arena_take(e->arena, n * sizeof *v) : NULL;
    if (!o || (n && !v)) {
        e->starved = true;
        return NULL;
    }
    *o = (struct object){ .v = v, .cap = n, .list = list };
    for (rest = text; o->n < n && next(&rest, list, &v[o->n]); o->n++)
        continue;
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

static struct slice quoted_name(struct editor *e, struct slice name)
{
    if (e->name.p != name.p || e->name.n != name.n)
        e->quoted = quoted(e, name);
    e->name = name;
    return e->quoted;
}

/* Made once, however many places it goes to. */
static struct slice write_value(struct editor *e, const struct edit *edit)
{
    if (!e->value.p)
        e->value = edit->type == CONF_JSON_NUMBER            ? edit->value
                   : edit->type != CONF_JSON_BOOLEAN         ? quoted(e, edit->value)
                   : slice_equal(edit->value, SLICE("true")) ? SLICE("true")
                                                             : SLICE("false");
    return e->value;
}

static void put_member(struct editor *e, struct object *o, struct slice name, struct member m)
{
    if (o->n == o->cap) {
        size_t cap = o->cap ? 2 * o->cap : 1;
        struct member *v = arena_take(e->arena, cap * sizeof *v);
        if (!v) {
            e->starved = true;
            return;
        }
        if (o->n)
            memcpy(v, o->v, o->n * sizeof *v);
        o->v = v;
        o->cap = cap;
    }
    m.name = quoted_name(e, name);
    o->v[o->n++] = m;
    e->changed = true;
}

static struct slice join(struct editor *e, struct slice a, const char *between, struct slice b)
{
    size_t n = strlen(between);
    e->joined += a.n + b.n;
    char *out =
        e->joined <= JSON_EDIT_GROWTH + a.n ? arena_take(e->arena, a.n + n + b.n + 2) : NULL;
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

/* What is there: a member, or an element of an array. */
static void change_there(struct editor *e, struct member *m, const struct edit *edit)
{
    if (edit->kind == CONF_CHANGE_ADD || edit->kind == CONF_CHANGE_RENAME)
        return;
    e->changed = true;
    if (edit->kind == CONF_CHANGE_REMOVE) {
        m->name = slice_of(NULL, 0);
        return;
    }
    struct slice value = write_value(e, edit);
    if (edit->kind == CONF_CHANGE_APPEND)
        value = appended(e, m, value);
    *m = (struct member){ m->name, value, NULL };
}

static bool makes(const struct edit *edit)
{
    return edit->kind == CONF_CHANGE_ADD || edit->kind == CONF_CHANGE_APPEND;
}

static void change(struct editor *e, struct object *o, const struct edit *edit)
{
    if (edit->kind == CONF_CHANGE_RENAME) {
        rename_member(e, o, edit);
        return;
    }
    struct member *m = find(e, o, edit->name);
    if (m) {
        change_there(e, m, edit);
    } else if (makes(edit)) {
        struct slice value = write_value(e, edit);
        if (edit->kind == CONF_CHANGE_APPEND)
            value = appended(e, NULL, value);
        put_member(e, o, edit->name, (struct member){ .value = value });
    }
}

/* --- nested names --------------------------------------------------------------------------- */

/* "[*]" or "[3]" at the head of a path: which element, 0 for all of them. */
static bool take_index(struct slice *path, size_t *index)
{
    const char *end = path->n > 2 && *path->p == '[' ? memchr(path->p, ']', path->n) : NULL;
    size_t n = end ? (size_t)(end - path->p) - 1 : 0;
    const char *digits = path->p + 1;
    if (n == 0 || n > 9)
        return false;
    *index = 0;
    for (size_t i = 0; i < n && !(n == 1 && *digits == '*'); i++) {
        if (digits[i] < '0' || digits[i] > '9' || *digits == '0')
            return false;
        *index = *index * 10 + (size_t)(digits[i] - '0');
    }
    *path = slice_of(end + 1, path->n - n - 2);
    return path->n == 0 || *path->p == '.' || *path->p == '[';
}

static bool is_indices(struct slice path)
{
    size_t index;
    while (path.n && *path.p == '[')
        if (!take_index(&path, &index))
            return false;
    return path.n == 0 || *path.p == '.';
}

/* The name at the head of a path ends where something leads on. */
static size_t name_length(struct slice path)
{
    size_t n = 0;
    while (n < path.n && path.p[n] != '.' &&
           !(n && path.p[n] == '[' && is_indices(slice_of(path.p + n, path.n - n))))
        n++;
    return n;
}

/* The object or array that a member holds, looked into; NULL: it holds something else. */
static struct object *enter(struct editor *e, struct member *m, char bracket)
{
    if (!m->inner && m->value.n && *m->value.p == bracket)
        m->inner = read_object(e, m->value);
    return m->inner && m->inner->list == (bracket == '[') ? m->inner : NULL;
}

static void walk(struct editor *e, struct object *o, const struct edit *edit, struct slice path);

/* The rest of the path leads on from this member, or element. */
static void walk_on(struct editor *e, struct member *m, const struct edit *edit, struct slice path)
{
    struct object *inner = enter(e, m, *path.p == '.' ? '{' : '[');
    size_t index, n = 0;
    if (!inner)
        return;
    if (*path.p == '.') {
        walk(e, inner, edit, slice_of(path.p + 1, path.n - 1));
        return;
    }
    if (!take_index(&path, &index))
        return;
    for (size_t i = 0; i < inner->n && !e->starved; i++) {
        struct member *element = &inner->v[i];
        if (!element->name.p || (++n != index && index))
            continue;
        if (path.n)
            walk_on(e, element, edit, path);
        else
            change_there(e, element, edit);
        if (n == index)
            return;
    }
}

/* What is set makes the objects that lead to it. */
static void walk(struct editor *e, struct object *o, const struct edit *edit, struct slice path)
{
    struct edit here = *edit;
    here.name = slice_of(path.p, name_length(path));
    path = slice_of(path.p + here.name.n, path.n - here.name.n);
    if (path.n == 0) {
        change(e, o, &here);
        return;
    }
    struct member *m = find(e, o, here.name);
    if (m) {
        walk_on(e, m, edit, path);
        return;
    }
    struct object *inner = makes(edit) && *path.p == '.' ? read_object(e, slice_of(NULL, 0)) : NULL;
    if (!inner)
        return;
    put_member(e, o, here.name, (struct member){ .inner = inner });
    walk(e, inner, edit, slice_of(path.p + 1, path.n - 1));
}

/* Whether it can be done, whatever the body says. */
static bool is_sound(const struct edit *edit)
{
    bool valued = edit->kind == CONF_CHANGE_REPLACE || edit->kind == CONF_CHANGE_ADD ||
                  edit->kind == CONF_CHANGE_APPEND;
    return !valued || edit->type != CONF_JSON_NUMBER || json_text_is_number(edit->value);
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
    *at++ = o->list ? '[' : '{';
    for (size_t i = 0; i < o->n; i++) {
        const struct member *m = &o->v[i];
        if (!m->name.p)
            continue;
        if (!first)
            *at++ = ',';
        first = false;
        at = build_slice(at, m->name);
        if (!o->list)
            *at++ = ':';
        at = m->inner ? write_object(at, m->inner) : build_slice(at, m->value);
    }
    *at++ = o->list ? ']' : '}';
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
    struct editor e = { .arena = arena };
    struct slice value = { NULL, 0 };
    if (text.n && (!json_text_check(text, &value) || *value.p != '{'))
        return EDIT_SAME;
    struct object *o = read_object(&e, value);
    for (size_t i = 0; o && i < edits->n; i++) {
        if (edits->v[i].kind == CONF_CHANGE_ALLOW || !is_sound(&edits->v[i]))
            continue;
        e.value = slice_of(NULL, 0);
        if (edits->nested)
            walk(&e, o, &edits->v[i], edits->v[i].name);
        else
            change(&e, o, &edits->v[i]);
    }
    if (o)
        allow_only(&e, o, edits);
    if (o && e.changed && space(o) > text.n + JSON_EDIT_GROWTH)
        return EDIT_NO_MEMORY;
    if (o && e.changed)
        *out = write_members(&e, o);
    if (e.starved)
        return EDIT_NO_MEMORY;
    return e.changed ? EDIT_DONE : EDIT_SAME;
}
