/* SPDX-License-Identifier: Apache-2.0 */
/*
 * First all values are looked up, then there is room for all of them, then they are written. What
 * comes from a client stays a value: in a field it ends no line, in a path it makes no segments.
 */
#include "worker/plugins/render.h"

#include "worker/http/form_edit.h"
#include "worker/plugins/lookup.h"

/* What a configured path may hold as it is. */
static bool is_path(unsigned char c)
{
    return c > 0x20 && c < 0x7f && c != '?' && c != '#' && c != '"' && c != '<' && c != '>' &&
           c != '\\' && c != '^' && c != '`' && c != '{' && c != '|' && c != '}';
}

static char *encode_path(char *to, struct slice text)
{
    for (size_t i = 0; i < text.n; i++)
        if (is_path((unsigned char)text.p[i]))
            *to++ = text.p[i];
        else
            to = form_edit_encode(to, slice_of(text.p + i, 1));
    return to;
}

static struct slice value_of(struct stream *s, const struct conf_piece *piece)
{
    const struct request *r = stream_request(s);
    struct slice rest = r->uri.query, value = { NULL, 0 };
    switch (piece->kind) {
    case CONF_PIECE_HEADER:
        return lookup_header(s, &piece->text);
    case CONF_PIECE_QUERY:
        return rest.p && lookup_argument(s, &rest, &piece->text, &value) ? value
                                                                         : slice_of(NULL, 0);
    case CONF_PIECE_CAPTURE:
        return stream_capture(s, piece->number, piece->text.s);
    case CONF_PIECE_TEXT:
        break;
    }
    return slice_text(piece->text);
}

static char *put(char *to, const struct conf_piece *piece, struct slice value, enum render_for what)
{
    bool own = piece->kind == CONF_PIECE_TEXT || piece->kind == CONF_PIECE_CAPTURE;
    if (what == RENDER_PATH)
        return own ? encode_path(to, value) : form_edit_encode(to, value);
    if (value.n)
        memcpy(to, value.p, value.n);
    return to + value.n;
}

static bool has_control(struct slice text)
{
    for (size_t i = 0; i < text.n; i++)
        if (((unsigned char)text.p[i] < 0x20 && text.p[i] != '\t') || text.p[i] == 0x7f)
            return true;
    return false;
}

/* "/./", "/../", also at the end. */
static bool has_dot_segment(struct slice path)
{
    for (size_t i = 0, from = 0; i <= path.n; i++) {
        if (i < path.n && path.p[i] != '/')
            continue;
        struct slice segment = slice_of(path.p + from, i - from);
        if (slice_equal(segment, SLICE(".")) || slice_equal(segment, SLICE("..")))
            return true;
        from = i + 1;
    }
    return false;
}

enum render_result render_text(struct stream *s, const struct conf_template *t,
                               enum render_for what, struct slice *out)
{
    struct slice values[TEMPLATE_PIECES];
    size_t room = 1;
    bool passed = false; /* an alternative before was there */
    for (size_t i = 0; i < t->n; i++) {
        values[i] = passed ? slice_of(NULL, 0) : value_of(s, &t->pieces[i]);
        passed = t->pieces[i].or_next && (passed || values[i].p);
        room += 3 * values[i].n;
    }
    char *text = arena_take(stream_arena(s), room), *at = text;
    if (!text)
        return RENDER_NO_MEMORY;
    for (size_t i = 0; i < t->n; i++)
        at = put(at, &t->pieces[i], values[i], what);
    *out = slice_of(text, (size_t)(at - text));
    bool bad =
        what == RENDER_FIELD ? has_control(*out) : what == RENDER_PATH && has_dot_segment(*out);
    return bad ? RENDER_REFUSED : RENDER_DONE;
}
