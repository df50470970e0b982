/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What plugins and stages put into the request that goes upstream and into the response, field by
 * field, and the answers that the gateway makes itself.
 */
#include "shm/assert.h"
#include "worker/http/build.h"
#include "worker/http/json.h"
#include "worker/stream_life.h"

/* A copy of the name, and behind it room for a value, all in one piece. */
static struct extra_field *make_room(struct stream *s, struct slice name, size_t value_n)
{
    struct extra_field *e = arena_take(&s->arena, sizeof *e + name.n + value_n + 2);

    if (!e)
        return NULL;
    char *p = (char *)(e + 1);
    memcpy(p, name.p, name.n);
    p[name.n] = '\0';
    *e = (struct extra_field){ .name = slice_of(p, name.n),
                               .underscored = name.n && memchr(name.p, '_', name.n) };
    return e;
}

static struct extra_field *make_extra(struct stream *s, struct slice name, struct slice value)
{
    struct extra_field *e = make_room(s, name, value.n);

    if (!e || !value.p)
        return e;
    char *p = (char *)(e + 1) + name.n + 1;
    memcpy(p, value.p, value.n);
    p[value.n] = '\0';
    e->value = slice_of(p, value.n);
    return e;
}

/* In place of an earlier one with that name, but for those that stand beside others. */
static void put_extra(struct extra_field **list, struct extra_field *e)
{
    while (*list && ((*list)->beside || !slice_equal_nocase((*list)->name, e->name)))
        list = &(*list)->next;
    e->next = *list ? (*list)->next : NULL;
    *list = e;
}

void stream_set_upstream(struct stream *s, struct slice name, struct slice value)
{
    struct extra_field *e = make_extra(s, name, value);

    if (e)
        put_extra(&s->request.extra, e);
    else
        s->starved = true; /* else the client's own, forged or secret, would go out */
}

void stream_drop_upstream(struct stream *s, struct slice name)
{
    stream_set_upstream(s, name, (struct slice){ NULL, 0 });
}

void stream_set_response(struct stream *s, struct slice name, struct slice value)
{
    struct extra_field *e = make_extra(s, name, value);

    if (e)
        put_extra(&s->response_extra, e);
}

void stream_set_response_number(struct stream *s, struct slice name, uint64_t value)
{
    struct extra_field *e = make_room(s, name, BUILD_NUMBER_MAX);

    if (!e)
        return;
    char *p = (char *)(e + 1) + name.n + 1;
    e->value = slice_of(p, (size_t)(build_number(p, value) - p));
    put_extra(&s->response_extra, e);
}

void stream_add_response(struct stream *s, struct slice name, struct slice value)
{
    struct extra_field *e = make_extra(s, name, value);

    if (!e)
        return;
    e->beside = true;
    e->next = s->response_extra;
    s->response_extra = e;
}

static size_t get_lines(struct slice lines, struct slice name, struct slice *values, size_t max)
{
    size_t n = 0;

    while (lines.n && n < max) {
        const char *stop = memchr(lines.p, '\n', lines.n);
        must(stop);
        size_t length = (size_t)(stop - lines.p);
        if (length > name.n && lines.p[name.n] == ':' &&
            slice_equal_nocase(slice_of(lines.p, name.n), name)) {
            struct slice value = slice_of(lines.p + name.n + 1, length - name.n - 1);
            value.n -= value.n && value.p[value.n - 1] == '\r';
            values[n++] = field_trim(value);
        }
        lines = slice_of(stop + 1, lines.n - (size_t)(stop + 1 - lines.p));
    }
    return n;
}

size_t stream_get_response(const struct stream *s, struct slice name, struct slice *values,
                           size_t max)
{
    size_t n = 0;
    bool replaced = false;

    for (const struct extra_field *e = s->response_extra; e && n < max; e = e->next) {
        if (!slice_equal_nocase(e->name, name))
            continue;
        replaced |= !e->beside;
        if (e->value.p)
            values[n++] = e->value;
    }
    const struct field *f = replaced || !s->reply.head ? NULL : head_find(s->reply.head, name);
    for (; f && n < max; f = head_next(s->reply.head, f))
        if (!f->drop)
            values[n++] = field_value(f);
    return replaced ? n : n + get_lines(s->reply.lines, name, values + n, max - n);
}

void stream_drop_response(struct stream *s, struct slice name)
{
    for (struct extra_field *e = s->response_extra; e; e = e->next)
        if (e->beside && slice_equal_nocase(e->name, name))
            e->value = (struct slice){ NULL, 0 };
    stream_set_response(s, name, (struct slice){ NULL, 0 });
}

enum stage_result stream_answer_with(struct stream *s, int status, struct slice content_type,
                                     struct slice body)
{
    s->answer = ANSWER_OWN;
    s->reply = (struct reply){
        .status = status, .length = REPLY_LENGTH, .announce = true, .content_length = body.n
    };
    if (content_type.n)
        stream_set_response(s, SLICE("Content-Type"), content_type);
    s->own_body = body;
    return STAGE_DONE;
}

enum stage_result stream_answer(struct stream *s, int status, const char *message)
{
    size_t n = strlen(message);
    struct slice id = stream_request_id(s);
    char *p = arena_take(&s->arena, n * JSON_GROWTH + id.n + 64), *at = p;

    if (!p)
        return stream_answer_with(s, status, SLICE("text/plain"), SLICE("out of memory"));
    at = build_slice(at, SLICE("{\"message\":\""));
    at += json_escape(at, n * JSON_GROWTH, slice_of(message, n));
    at = build_slice(at, SLICE("\",\"request_id\":\""));
    at = build_slice(at, id);
    at = build_slice(at, SLICE("\"}"));
    return stream_answer_with(s, status, SLICE("application/json; charset=utf-8"),
                              slice_of(p, (size_t)(at - p)));
}
