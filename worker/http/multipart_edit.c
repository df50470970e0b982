/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The body becomes a list of parts, each cut around its name. What is not written as RFC 2046 and
 * RFC 7578 say, so that another reader might see other parts in it, is left alone.
 */
#include "worker/http/multipart_edit.h"
#include "conf/hex.h"
#include "worker/http/build.h"
#include "worker/http/edit_list.h"
#include "worker/http/field.h"

struct editor {
    struct edit_list parts; /* their names in their quotes */
    struct slice mark;      /* CR LF and two hyphens, then the boundary */
};

static struct editor *of(struct edit_list *l)
{
    return (struct editor *)((char *)l - offsetof(struct editor, parts));
}

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
        found = slice_from(one, name.n + 1);
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
    *rest = slice_from(*rest, used);
    return line;
}

/* Its head has one Content-Disposition, and that one name. */
static bool read_part(struct slice text, struct edit_item *part)
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
        if (!slice_begins_nocase(line, disposition))
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
    part->after = slice_from(text, used);
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
    struct edit_list *l = &e->parts;
    const char *p = text.p, *end = p + text.n;
    struct slice first = slice_from(e->mark, 2);
    bool last;
    if (text.n >= first.n && memcmp(p, first.p, first.n) == 0)
        p += first.n;
    else if ((p = memmem(p, text.n, e->mark.p, e->mark.n)) != NULL)
        p += e->mark.n;
    else
        return false;
    for (l->n = 0; pass_mark(&p, end, &last); l->n++) {
        struct edit_item one;
        if (last)
            return true;
        const char *next = memmem(p, (size_t)(end - p), e->mark.p, e->mark.n);
        if (!next || !read_part(slice_of(p, (size_t)(next - p)), l->v ? &l->v[l->n] : &one))
            return false;
        p = next + e->mark.n;
    }
    return false;
}

/* --- writing -------------------------------------------------------------------------------- */

/* As a browser writes it: in quotes, and what would end it or the line in hexadecimal. */
static struct slice quoted(struct edit_list *l, struct slice name)
{
    char *out = arena_take(l->arena, 3 * name.n + 2), *at = out;
    if (!out) {
        l->starved = true;
        return SLICE("\"\"");
    }
    *at++ = '"';
    for (size_t i = 0; i < name.n; i++) {
        unsigned char c = (unsigned char)name.p[i];
        if (c >= 0x20 && c != '"' && c != '\\' && c != 0x7f)
            *at++ = (char)c;
        else
            at = hex_escape(at, c);
    }
    *at++ = '"';
    return slice_of(out, (size_t)(at - out));
}

static struct edit_item make_part(struct edit_list *l, const struct edit *edit)
{
    static const struct slice blank = SLICE("\r\n\r\n");
    struct slice mark = of(l)->mark;
    char *after = arena_take(l->arena, blank.n + edit->value.n);
    l->refused |= memmem(edit->value.p, edit->value.n, mark.p + 2, mark.n - 2) != NULL;
    if (!after) {
        l->starved = true;
        return (struct edit_item){ .name = SLICE("\"\"") };
    }
    (void)build_slice(build_slice(after, blank), edit->value);
    return (struct edit_item){ SLICE("Content-Disposition: form-data; name="),
                               quoted(l, edit->name), slice_of(after, blank.n + edit->value.n) };
}

static struct slice write_all(struct edit_list *l)
{
    struct slice mark = of(l)->mark, first = slice_from(mark, 2);
    size_t room = mark.n + 4;
    for (size_t i = 0; i < l->n; i++)
        room += mark.n + 2 + l->v[i].before.n + l->v[i].name.n + l->v[i].after.n;
    char *text = arena_take(l->arena, room), *at = text;
    if (!text) {
        l->starved = true;
        return SLICE("");
    }
    for (size_t i = 0; i < l->n; i++) {
        if (!l->v[i].name.p)
            continue;
        at = build_slice(build_slice(at, at == text ? first : mark), SLICE("\r\n"));
        at = build_slice(build_slice(at, l->v[i].before), l->v[i].name);
        at = build_slice(at, l->v[i].after);
    }
    at = build_slice(build_slice(at, at == text ? first : mark), SLICE("--\r\n"));
    return slice_of(text, (size_t)(at - text));
}

static bool begin(struct editor *e, struct slice text, struct slice boundary, size_t room)
{
    struct edit_list *l = &e->parts;
    char *mark = arena_take(l->arena, boundary.n + 4);
    l->starved = !mark;
    if (!mark)
        return false;
    (void)build_slice(build_slice(mark, SLICE("\r\n--")), boundary);
    e->mark = slice_of(mark, boundary.n + 4);
    if (text.n && !read_all(e, text))
        return false;
    l->v = arena_take(l->arena, (l->n + room) * sizeof *l->v);
    l->starved = !l->v;
    return l->v && (!text.n || read_all(e, text));
}

enum edit_result multipart_edit(struct slice text, struct slice boundary, const struct edits *edits,
                                struct arena *arena, struct slice *out)
{
    static const struct edit_list_form form = { means, quoted, make_part, write_all };
    struct editor e = { .parts = { .form = &form, .arena = arena } };
    if (!begin(&e, text, boundary, edits->n))
        return e.parts.starved ? EDIT_NO_MEMORY : EDIT_SAME;
    return edit_list_apply(&e.parts, edits, out);
}
