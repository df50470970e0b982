/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Argument names are compared through their percent-encoding, so that no spelling hides a
 * credential from hide_credentials. What is sent upstream keeps the other arguments exactly as they
 * came.
 */
#include "worker/plugins/lookup.h"

#include "worker/http/form_edit.h"

const struct field *lookup_field(const struct head *head, const struct conf_text *name,
                                 const struct field *after)
{
    const struct field *end = head->fields + head->fields_n;
    for (const struct field *f = after ? after + 1 : head->fields; f < end; f++)
        if (slice_equal_nocase(slice_of(f->name, f->name_n), slice_of(name->s, name->n)))
            return f;
    return NULL;
}

struct slice lookup_header(struct stream *s, const struct conf_text *name)
{
    const struct request *r = stream_request(s);
    for (const struct extra_field *e = r->told ? r->told : r->extra; e; e = e->next)
        if (slice_equal_nocase(e->name, slice_of(name->s, name->n)))
            return e->value;
    const struct field *f = lookup_field(r->head, name, NULL);
    while (f && (f->drop || field_tells_who((enum field_id)f->id, slice_of(name->s, name->n))))
        f = lookup_field(r->head, name, f);
    return field_value(f);
}

struct slice lookup_upstream(struct stream *s, struct slice name)
{
    const struct request *r = stream_request(s);
    const char *between = slice_equal_nocase(name, SLICE("Cookie")) ? "; " : ", ";
    struct slice value = { NULL, 0 };
    for (const struct extra_field *e = r->extra; e; e = e->next)
        if (slice_equal_nocase(e->name, name))
            return e->value;
    for (const struct field *f = head_find(r->head, name); f; f = head_next(r->head, f)) {
        enum field_id id = (enum field_id)f->id;
        if (f->drop || field_flags(id) & (FIELD_HOP | FIELD_OURS) || field_tells_who(id, name))
            continue;
        struct slice line = slice_of(f->value, f->value_n);
        value = value.p ? arena_print(stream_arena(s), "%.*s%s%.*s", (int)value.n, value.p, between,
                                      (int)line.n, line.p)
                        : line;
    }
    return value;
}

/* --- arguments ------------------------------------------------------------------------------ */

static bool is_coded(struct slice raw)
{
    return raw.n > 0 && (memchr(raw.p, '%', raw.n) || memchr(raw.p, '+', raw.n));
}

/* The decoded text: the slice itself where nothing is coded or the coding is malformed. */
static struct slice decoded(struct stream *s, struct slice raw)
{
    if (!is_coded(raw))
        return raw;
    char *out = arena_take(stream_arena(s), raw.n);
    ptrdiff_t n = out ? uri_decode(raw, true, out, raw.n) : -1;
    return n < 0 ? raw : slice_of(out, (size_t)n);
}

static bool is_named(struct slice raw, const struct conf_text *name)
{
    return form_edit_means(raw, slice_of(name->s, name->n));
}

bool lookup_argument(struct stream *s, struct slice *rest, const struct conf_text *name,
                     struct slice *value)
{
    struct slice raw_name, raw;
    while (uri_query_next(rest, &raw_name, &raw)) {
        if (!is_named(raw_name, name))
            continue;
        *value = decoded(s, raw);
        return true;
    }
    return false;
}

/* Appends "&name=value" as it came. */
static char *put_argument(char *at, bool first, struct slice name, struct slice value)
{
    if (!first)
        *at++ = '&';
    memcpy(at, name.p, name.n);
    at += name.n;
    if (value.p) {
        *at++ = '=';
        memcpy(at, value.p, value.n);
        at += value.n;
    }
    return at;
}

bool lookup_hide_argument(struct stream *s, const struct conf_text *name)
{
    struct request *r = stream_request(s);
    struct slice rest = r->query, argument, value;
    if (!r->query.p)
        return true;
    char *out = arena_take(stream_arena(s), r->query.n + 1), *at = out;
    if (!out)
        return false;
    while (uri_query_next(&rest, &argument, &value))
        if (!is_named(argument, name))
            at = put_argument(at, at == out, argument, value);
    r->query = at == out ? slice_of(NULL, 0) : slice_of(out, (size_t)(at - out));
    return true;
}
