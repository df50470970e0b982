/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The body becomes a list of parts, each cut around its name. What is not written as RFC 2046 and
 * RFC 7578 say, so that another reader might see other parts in it, is left alone.
 */
#include "worker/http/multipart_edit.h"

#include "worker/http/field.h"

struct part {
    struct slice before, name, after; /* name in its quotes; name.p NULL: the part was taken out */
};

struct editor {
    struct arena *arena;
    struct slice mark; /* CR LF and two hyphens, then the boundary */
    struct part *v;
    size_t n;
    bool changed, starved, refused;
};

/* --- reading -------------------------------------------------------------------------------- */

/* The value of the one parameter of that name; {NULL, 0}: there is none, or more than one. */
static struct slice parameter(struct slice rest, struct slice name)
{
    struct slice found = { NULL, 0 };
    (void)field_cut(&rest, ';'); /* what the parameters are of */
    while (rest.n) {
        struct slice one = field_trim(field_cut(&rest, ';'));
        if (one.n <= name.n || one.p[name.n] != '=' ||
            !slice_equal_nocase(slice_of(one.p, name.n), name))
            continue;
        if (found.p)
            return slice_of(NULL, 0);
        found = slice_of(one.p + name.n + 1, one.n - name.n - 1);
    }
    return found;
}

static bool is_quoted(struct slice text)
{
    return text.n >= 2 && *text.p == '"' && text.p[text.n - 1] == '"';
}

struct slice multipart_edit_boundary(struct slice content_type)
{
    static const char others[] = "'()+_,-./:=?";
    struct slice b = parameter(content_type, SLICE("boundary"));
    if (is_quoted(b))
        b = slice_of(b.p + 1, b.n - 2);
    for (size_t i = 0; i < b.n; i++) {
        char c = b.p[i];
        bool plain = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
        if (!plain && !memchr(others, c, sizeof others - 1))
            return slice_of(NULL, 0);
    }
    return b.n > 0 && b.n <= MULTIPART_EDIT_BOUNDARY ? b : slice_of(NULL, 0);
}

/* Whether a name, in its quotes or without, means `name`: a backslash hides the character behind
 * it, and browsers write %22 for a quote. */
static bool means(struct slice raw, struct slice name)
{
    size_t at = 0;
    if (is_quoted(raw))
        raw = slice_of(raw.p + 1, raw.n - 2);
    for (size_t i = 0; i < raw.n; i++, at++) {
        char c = raw.p[i];
        if (c == '\\' && i + 1 < raw.n) {
            c = raw.p[++i];
        } else if (raw.n - i >= 3 && memcmp(raw.p + i, "%22", 3) == 0) {
            c = '"';
            i += 2;
        }
        if (at == name.n || name.p[at] != c)
            return false;
    }
    return at == name.n;
}

/* One line of a part's head, without its end; `rest` moves behind it. */
static struct slice next_line(struct slice *rest)
{
    const char *end = memmem(rest->p, rest->n, "\r\n", 2);
    size_t n = end ? (size_t)(end - rest->p) : rest->n, used = end ? n + 2 : n;
    struct slice line = slice_of(rest->p, n);
    *rest = slice_of(rest->p + used, rest->n - used);
    return line;
}

/* Its head has one Content-Disposition, and that one name. */
static bool read_part(struct slice text, struct part *part)
{
    static const struct slice disposition = SLICE("Content-Disposition:");
    struct slice rest = text, name = { NULL, 0 };
    for (;;) {
        if (rest.n == 0)
            return false;
        struct slice line = next_line(&rest);
        if (line.n == 0)
            break;
        if (*line.p == ' ' || *line.p == '\t')
            return false; /* a folded line */
        if (line.n < disposition.n ||
            !slice_equal_nocase(slice_of(line.p, disposition.n), disposition))
            continue;
        if (name.p)
            return false;
        name = parameter(line, SLICE("name"));
        if (name.n == 0 || (*name.p == '"' && !is_quoted(name)))
            return false;
    }
    if (!name.p)
        return false;
    part->name = name;
    part->before = slice_of(text.p, (size_t)(name.p - text.p));
    size_t used = part->before.n + name.n;
    part->after = slice_of(text.p + used, text.n - used);
    return true;
}

/* Behind a boundary: *last, or the part that follows begins at *p. False: neither. */
static bool pass_mark(const char **p, const char *end, bool *last)
{
    *last = end - *p >= 2 && memcmp(*p, "--", 2) == 0;
    if (*last)
        return true;
    while (*p < end && (**p == ' ' || **p == '\t'))
        ++*p;
    if (end - *p < 2 || memcmp(*p, "\r\n", 2) != 0)
        return false;
    *p += 2;
    return true;
}

/* Calls read_part() for each; with v NULL they are only counted. False: it is not well-formed. */
static bool read_all(struct editor *e, struct slice text)
{
    const char *p = text.p, *end = p + text.n;
    struct slice first = slice_of(e->mark.p + 2, e->mark.n - 2);
    bool last;
    if (text.n >= first.n && memcmp(p, first.p, first.n) == 0)
        p += first.n;
    else if ((p = memmem(p, text.n, e->mark.p, e->mark.n)) != NULL)
        p += e->mark.n;
    else
        return false;
    for (e->n = 0; pass_mark(&p, end, &last); e->n++) {
        struct part one;
        if (last)
            return true;
        const char *next = memmem(p, (size_t)(end - p), e->mark.p, e->mark.n);
        if (!next || !read_part(slice_of(p, (size_t)(next - p)), e->v ? &e->v[e->n] : &one))
            return false;
        p = next + e->mark.n;
    }
    return false;
}

/* --- changes -------------------------------------------------------------------------------- */

/* As a browser writes it: in quotes, and what would end it or the line in hexadecimal. */
static struct slice quoted(struct editor *e, struct slice name)
{
    static const char digits[] = "0123456789ABCDEF";
    char *out = arena_take(e->arena, 3 * name.n + 2), *at = out;
    if (!out) {
        e->starved = true;
        return SLICE("\"\"");
    }
    *at++ = '"';
    for (size_t i = 0; i < name.n; i++) {
        unsigned char c = (unsigned char)name.p[i];
        if (c >= 0x20 && c != '"' && c != '\\' && c != 0x7f) {
            *at++ = (char)c;
            continue;
        }
        *at++ = '%';
        *at++ = digits[c >> 4];
        *at++ = digits[c & 15];
    }
    *at++ = '"';
    return slice_of(out, (size_t)(at - out));
}

static size_t find(const struct editor *e, size_t from, struct slice name)
{
    while (from < e->n && (!e->v[from].name.p || !means(e->v[from].name, name)))
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
    struct slice to = quoted(e, edit->value);
    take_out(e, 0, edit->value);
    for (size_t i = first; i < e->n; i = find(e, i + 1, edit->name))
        e->v[i].name = to;
    e->changed = true;
}

static struct part make_part(struct editor *e, const struct edit *edit)
{
    static const struct slice blank = SLICE("\r\n\r\n");
    char *after = arena_take(e->arena, blank.n + edit->value.n);
    e->refused |= memmem(edit->value.p, edit->value.n, e->mark.p + 2, e->mark.n - 2) != NULL;
    if (!after) {
        e->starved = true;
        return (struct part){ .name = SLICE("\"\"") };
    }
    memcpy(after, blank.p, blank.n);
    if (edit->value.n)
        memcpy(after + blank.n, edit->value.p, edit->value.n);
    return (struct part){ SLICE("Content-Disposition: form-data; name="), quoted(e, edit->name),
                          slice_of(after, blank.n + edit->value.n) };
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
    if (edit->kind == CONF_CHANGE_REPLACE)
        take_out(e, first + 1, edit->name);
    else
        first = e->n++; /* there is room for one of each change */
    e->v[first] = make_part(e, edit);
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
            stays = edits->v[i].kind == CONF_CHANGE_ALLOW && means(e->v[k].name, edits->v[i].name);
        if (stays)
            continue;
        e->v[k].name = slice_of(NULL, 0);
        e->changed = true;
    }
}

/* --- the whole ------------------------------------------------------------------------------ */

static char *put(char *to, struct slice text)
{
    if (text.n)
        memcpy(to, text.p, text.n);
    return to + text.n;
}

static struct slice write_all(struct editor *e)
{
    struct slice first = slice_of(e->mark.p + 2, e->mark.n - 2);
    size_t room = e->mark.n + 4;
    for (size_t i = 0; i < e->n; i++)
        room += e->mark.n + 2 + e->v[i].before.n + e->v[i].name.n + e->v[i].after.n;
    char *text = arena_take(e->arena, room), *at = text;
    if (!text) {
        e->starved = true;
        return SLICE("");
    }
    for (size_t i = 0; i < e->n; i++) {
        if (!e->v[i].name.p)
            continue;
        at = put(put(at, at == text ? first : e->mark), SLICE("\r\n"));
        at = put(put(put(at, e->v[i].before), e->v[i].name), e->v[i].after);
    }
    at = put(put(at, at == text ? first : e->mark), SLICE("--\r\n"));
    return slice_of(text, (size_t)(at - text));
}

static bool begin(struct editor *e, struct slice text, struct slice boundary, size_t room)
{
    char *mark = arena_take(e->arena, boundary.n + 4);
    e->starved = !mark;
    if (!mark)
        return false;
    (void)put(put(mark, SLICE("\r\n--")), boundary);
    e->mark = slice_of(mark, boundary.n + 4);
    if (text.n && !read_all(e, text))
        return false;
    e->v = arena_take(e->arena, (e->n + room) * sizeof *e->v);
    e->starved = !e->v;
    return e->v && (!text.n || read_all(e, text));
}

enum edit_result multipart_edit(struct slice text, struct slice boundary, const struct edits *edits,
                                struct arena *arena, struct slice *out)
{
    struct editor e = { .arena = arena };
    if (!begin(&e, text, boundary, edits->n))
        return e.starved ? EDIT_NO_MEMORY : EDIT_SAME;
    for (size_t i = 0; i < edits->n; i++)
        if (edits->v[i].kind != CONF_CHANGE_ALLOW)
            change(&e, &edits->v[i]);
    allow_only(&e, edits);
    if (e.refused)
        return EDIT_REFUSED;
    if (e.changed && !e.starved)
        *out = write_all(&e);
    if (e.starved)
        return EDIT_NO_MEMORY;
    return e.changed ? EDIT_DONE : EDIT_SAME;
}
