/* SPDX-License-Identifier: Apache-2.0 */
/*
 * request-transformer: changes what is sent upstream, never what was received: the cache and the
 * logs go on to see what the client asked for. Several lines of one name become one list. What is
 * made of more than the URL and decides where the request goes is told to the cache, so that no
 * client gets what another one's fields asked for.
 */
#include "conf/plugins/plugin_request_transformer.h"
#include "worker/http/form_edit.h"
#include "worker/http/json_edit.h"
#include "worker/http/multipart_edit.h"
#include "worker/plugins/changes.h"
#include "worker/plugins/lookup.h"
#include "worker/plugins/plugins.h"
#include "worker/plugins/render.h"

enum { MOVED_MAX = 16 * 1024 }; /* bytes of a form that becomes a query */

static bool is_host(struct slice name)
{
    return slice_equal_nocase(name, SLICE("Host"));
}

/* What a Host field may hold, roughly: nothing that separates. */
static bool fits_host(struct slice value)
{
    for (size_t i = 0; i < value.n; i++) {
        unsigned char c = (unsigned char)value.p[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter && !memchr("-._:[]", c, 6))
            return false;
    }
    return value.n > 0;
}

static void rename_field(struct stream *s, const struct conf_change *change)
{
    struct slice from = slice_text(change->name), to = slice_text(change->to);
    struct slice value = lookup_upstream(s, from);
    if (!value.p || slice_equal_nocase(from, to))
        return;
    stream_set_upstream(s, to, value);
    stream_drop_upstream(s, from);
}

static enum render_result append_field(struct stream *s, struct slice name, struct slice old,
                                       struct slice value)
{
    const char *between = slice_equal_nocase(name, SLICE("Cookie")) ? "; " : ", ";
    if (old.n)
        value = arena_print(stream_arena(s), "%.*s%s%.*s", (int)old.n, old.p, between, (int)value.n,
                            value.p);
    if (!value.p)
        return RENDER_NO_MEMORY;
    stream_set_upstream(s, name, value);
    return RENDER_DONE;
}

static enum render_result change_field(struct stream *s, enum conf_change_kind kind,
                                       const struct conf_change *change)
{
    struct slice name = slice_text(change->name), value = { NULL, 0 };
    if (kind == CONF_CHANGE_REMOVE) {
        stream_drop_upstream(s, name);
        return RENDER_DONE;
    }
    if (kind == CONF_CHANGE_RENAME) {
        rename_field(s, change);
        return RENDER_DONE;
    }
    struct slice old = lookup_upstream(s, name);
    bool there = old.p || is_host(name);
    if ((kind == CONF_CHANGE_REPLACE && !there) || (kind == CONF_CHANGE_ADD && there))
        return RENDER_DONE;
    enum render_result r = render_text(s, change->value, RENDER_FIELD, &value);
    if (r == RENDER_DONE && is_host(name) && !fits_host(value))
        r = RENDER_REFUSED;
    if (r != RENDER_DONE)
        return r;
    return append_field(s, name, kind == CONF_CHANGE_APPEND ? old : slice_of(NULL, 0), value);
}

static enum render_result change_fields(struct stream *s, const struct conf_transform *changes)
{
    enum render_result r = RENDER_DONE;
    for (int kind = 0; kind < CONF_CHANGE_KINDS; kind++)
        for (size_t i = 0; r == RENDER_DONE && i < changes->kinds[kind].n; i++)
            r = change_field(s, (enum conf_change_kind)kind, &changes->kinds[kind].v[i]);
    return r;
}

static enum render_result change_query(struct stream *s, const struct conf_transform *changes)
{
    struct slice *query = &stream_request(s)->query, out;
    struct edits edits;
    if (!changes_render(s, changes, &edits))
        return RENDER_NO_MEMORY;
    enum edit_result r = form_edit(*query, &edits, stream_arena(s), &out);
    if (r == EDIT_DONE)
        *query = out.n ? out : slice_of(NULL, 0);
    return r == EDIT_NO_MEMORY ? RENDER_NO_MEMORY : RENDER_DONE;
}

/* HEAD stays: its response has no body, whatever the new method's would have. So does what asks for
 * another protocol. */
static void change_method(struct stream *s, struct conf_text method)
{
    struct request *r = stream_request(s);
    if (method.n == 0 || r->head->method == METHOD_HEAD || r->head->upgrade)
        return;
    r->method_text = slice_text(method);
    r->method = head_method(method.s, method.n);
}

/* Templates see the request as the plugins before this one left it, whatever this one changes. The
 * copy begins with a field without a name, so that there is one even of nothing. */
static bool keep_told(struct stream *s)
{
    struct request *r = stream_request(s);
    size_t n = 1, i = 0;
    for (const struct extra_field *e = r->extra; e; e = e->next)
        n++;
    struct extra_field *copy = arena_take(stream_arena(s), n * sizeof *copy);
    if (!copy)
        return false;
    copy[0] = (struct extra_field){ 0 };
    for (const struct extra_field *e = r->extra; e; e = e->next) {
        copy[++i] = *e;
        copy[i].next = NULL;
        copy[i - 1].next = &copy[i];
    }
    r->told = copy;
    return true;
}

static enum render_result change_all(struct stream *s, const struct conf_request_transformer *c)
{
    struct request *r = stream_request(s);
    if (!keep_told(s))
        return RENDER_NO_MEMORY;
    enum render_result result = change_fields(s, &c->headers);
    if (result == RENDER_DONE)
        result = change_query(s, &c->querystring);
    if (result == RENDER_DONE && c->uri)
        result = render_text(s, c->uri, RENDER_PATH, &r->path);
    if (result != RENDER_DONE)
        return result;
    change_method(s, c->http_method);
    r->authorized |= c->authorizes && lookup_upstream(s, SLICE("Authorization")).p;
    if (!c->by_field)
        return RENDER_DONE;
    struct slice host = lookup_upstream(s, SLICE("Host"));
    r->chosen = arena_print(stream_arena(s), "%.*s%.*s?%.*s", (int)host.n, host.p ? host.p : "",
                            (int)r->path.n, r->path.p ? r->path.p : "", (int)r->query.n,
                            r->query.p ? r->query.p : "");
    return r->chosen.p ? RENDER_DONE : RENDER_NO_MEMORY;
}

/* --- the body ------------------------------------------------------------------------------- */

struct editing {
    struct body_edit as; /* the first member: what the stream sees */
    struct edits edits;
    enum changes_form form;
    struct slice boundary; /* of MULTIPART */
    /* a form that becomes a part of the query; NULL: it stays a body */
    struct stream *moves;
    struct slice query; /* as it was */
    struct edits query_edits;
};

/* What is changed of the query is changed of all of it, wherever it came from. */
static enum edit_result move_form(const struct editing *editing, struct slice form)
{
    struct arena *arena = stream_arena(editing->moves);
    struct slice query = form_edit_join(editing->query, form, arena), changed;
    if (!query.p && editing->query.n + form.n)
        return EDIT_NO_MEMORY;
    enum edit_result r = form_edit(query, &editing->query_edits, arena, &changed);
    if (r == EDIT_DONE)
        query = changed;
    stream_request(editing->moves)->query = query.n ? query : slice_of(NULL, 0);
    return r == EDIT_NO_MEMORY ? r : EDIT_DONE;
}

static enum edit_result edit_form(const struct editing *editing, struct slice body,
                                  struct arena *arena, struct slice *out)
{
    enum edit_result r = form_edit(body, &editing->edits, arena, out);
    if (!editing->moves || r == EDIT_NO_MEMORY || r == EDIT_REFUSED)
        return r;
    r = move_form(editing, r == EDIT_DONE ? *out : body);
    *out = SLICE("");
    return r == EDIT_DONE && body.n == 0 ? EDIT_SAME : r;
}

static enum edit_result edit_body(const struct body_edit *e, struct slice body, struct arena *arena,
                                  struct slice *out)
{
    const struct editing *editing = (const struct editing *)e;
    switch (editing->form) {
    case CHANGES_JSON:
        return json_edit(body, &editing->edits, arena, out);
    case CHANGES_FORM:
        return edit_form(editing, body, arena, out);
    case CHANGES_MULTIPART:
        return multipart_edit(body, editing->boundary, &editing->edits, arena, out);
    case CHANGES_NONE:
        break;
    }
    return EDIT_SAME;
}

/* A request that becomes a GET has its form in the query, as a browser would send it. */
static bool moves_form(struct stream *s, struct conf_text method)
{
    const struct request *r = stream_request(s);
    const struct field *type = head_field(r->head, FIELD_CONTENT_TYPE);
    const struct field *coding = head_field(r->head, FIELD_CONTENT_ENCODING);
    return method.n && r->method == METHOD_GET && r->head->method != METHOD_HEAD &&
           !r->head->upgrade &&
           changes_form(field_value(type), field_value(coding)) == CHANGES_FORM;
}

static enum stage_result
change_form_to_query(struct stream *s, const struct conf_request_transformer *c, struct slice query)
{
    struct editing *editing = arena_take(stream_arena(s), sizeof *editing);
    if (!editing || !changes_render(s, &c->body.changes, &editing->edits) ||
        !changes_render(s, &c->querystring, &editing->query_edits))
        return stream_answer(s, 500, "An unexpected error occurred");
    editing->as.edit = edit_body;
    editing->form = CHANGES_FORM;
    editing->moves = s;
    editing->query = query;
    stream_drop_upstream(s, SLICE("Content-Type"));
    return stream_edit_body(s, c->body.max_size < MOVED_MAX ? c->body.max_size : MOVED_MAX,
                            &editing->as);
}

static enum stage_result change_body(struct stream *s, const struct conf_body_transform *c)
{
    if (c->n == 0 || stream_request(s)->head->upgrade)
        return STAGE_NEXT;
    /* as they are sent upstream, so that what was set there counts */
    struct slice type = lookup_upstream(s, SLICE("Content-Type"));
    enum changes_form form = changes_form(type, lookup_upstream(s, SLICE("Content-Encoding")));
    struct slice boundary =
        form == CHANGES_MULTIPART ? multipart_edit_boundary(type) : slice_of(NULL, 0);
    if (form == CHANGES_NONE || (form == CHANGES_MULTIPART && !boundary.n))
        return STAGE_NEXT;
    struct editing *editing = arena_take(stream_arena(s), sizeof *editing);
    if (!editing || !changes_render(s, &c->changes, &editing->edits))
        return stream_answer(s, 500, "An unexpected error occurred");
    editing->as.edit = edit_body;
    editing->edits.nested = !c->dots_in_keys;
    editing->form = form;
    editing->boundary = boundary;
    editing->moves = NULL;
    return stream_edit_body(s, c->max_size, &editing->as);
}

static enum stage_result change_request(struct stream *s, const struct conf_request_transformer *c)
{
    struct slice query = stream_request(s)->query;
    switch (change_all(s, c)) {
    case RENDER_DONE:
        return moves_form(s, c->http_method) ? change_form_to_query(s, c, query)
                                             : change_body(s, &c->body);
    case RENDER_REFUSED:
        return stream_answer(s, 400, "Bad request");
    case RENDER_NO_MEMORY:
        break;
    }
    return stream_answer(s, 500, "An unexpected error occurred");
}

static enum stage_result request_transformer_access(struct stream *s, const void *config)
{
    enum stage_result result = change_request(s, config);
    stream_request(s)->told = NULL; /* plugins after this one go by what it made */
    return result;
}

const struct plugin_ops request_transformer_ops = {
    .kind = CONF_PLUGIN_REQUEST_TRANSFORMER,
    .access = request_transformer_access,
};
