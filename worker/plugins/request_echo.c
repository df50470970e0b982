/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Written in one pass into a piece of the arena that is measured for the worst case: every byte of
 * the request escaped, some names twice. Names that are repeated become arrays, as in Kong; names
 * of fields are in lower case.
 */
#include "worker/plugins/request_echo.h"
#include "worker/http/json.h"
#include <stdlib.h>
#include <unistd.h>

enum { ARGUMENTS_MAX = 100 }; /* of the query; those that follow are left out, as in Kong */

struct writer {
    char *at, *end;
};

static void put(struct writer *w, struct slice text)
{
    size_t room = (size_t)(w->end - w->at), n = text.n < room ? text.n : room;
    memcpy(w->at, text.p, n);
    w->at += n;
}

/* A comma is due unless an object or array has just begun. */
static void separate(struct writer *w)
{
    char last = w->at[-1];
    if (last != '{' && last != '[' && last != ':')
        put(w, SLICE(","));
}

static void put_string(struct writer *w, struct slice text)
{
    separate(w);
    put(w, SLICE("\""));
    w->at += json_escape(w->at, (size_t)(w->end - w->at), text);
    put(w, SLICE("\""));
}

static void put_name(struct writer *w, struct slice name)
{
    put_string(w, name);
    put(w, SLICE(":"));
}

static void put_number(struct writer *w, struct slice name, long number)
{
    char text[24];
    int n = snprintf(text, sizeof(text), "%ld", number);
    put_name(w, name);
    put(w, slice_of(text, (size_t)n));
}

static void put_pair(struct writer *w, struct slice name, struct slice value)
{
    put_name(w, name);
    put_string(w, value);
}

static void open_object(struct writer *w, struct slice name)
{
    put_name(w, name);
    put(w, SLICE("{"));
}

static void close_object(struct writer *w)
{
    put(w, SLICE("}"));
}

/* --- names that may be repeated ------------------------------------------------------------- */

struct pair {
    struct slice name, value; /* value.p NULL: true */
};

static void put_value(struct writer *w, const struct pair *pair)
{
    if (pair->value.p) {
        put_string(w, pair->value);
        return;
    }
    separate(w);
    put(w, SLICE("true"));
}

static size_t count(const struct pair *pairs, size_t n, struct slice name)
{
    size_t found = 0;
    for (size_t i = 0; i < n; i++)
        found += slice_equal(pairs[i].name, name);
    return found;
}

static void put_values(struct writer *w, const struct pair *pairs, size_t n, struct slice name)
{
    put(w, SLICE("["));
    for (size_t i = 0; i < n; i++)
        if (slice_equal(pairs[i].name, name))
            put_value(w, &pairs[i]);
    put(w, SLICE("]"));
}

static void put_pairs(struct writer *w, struct slice name, const struct pair *pairs, size_t n)
{
    open_object(w, name);
    for (size_t i = 0; i < n; i++) {
        if (count(pairs, i, pairs[i].name) > 0)
            continue; /* written with the first of that name */
        put_name(w, pairs[i].name);
        if (count(pairs + i, n - i, pairs[i].name) > 1)
            put_values(w, pairs + i, n - i, pairs[i].name);
        else
            put_value(w, &pairs[i]);
    }
    close_object(w);
}

static struct slice lower(struct arena *a, struct slice text)
{
    char *out = arena_take(a, text.n + 1);
    for (size_t i = 0; out && i < text.n; i++)
        out[i] = text.p[i] >= 'A' && text.p[i] <= 'Z' ? (char)(text.p[i] + 32) : text.p[i];
    return out ? slice_of(out, text.n) : text;
}

static size_t field_pairs(struct arena *a, const struct head *head,
                          struct pair pairs[HEAD_FIELDS_MAX])
{
    for (size_t i = 0; i < head->fields_n; i++) {
        const struct field *f = &head->fields[i];
        pairs[i] =
            (struct pair){ lower(a, slice_of(f->name, f->name_n)), slice_of(f->value, f->value_n) };
    }
    return head->fields_n;
}

static struct slice decode(struct arena *a, struct slice raw)
{
    char *out = raw.n ? arena_take(a, raw.n) : NULL;
    ptrdiff_t n = out ? uri_decode(raw, true, out, raw.n) : -1;
    return n < 0 ? raw : slice_of(out, (size_t)n);
}

static size_t argument_pairs(struct arena *a, struct slice query, struct pair pairs[ARGUMENTS_MAX])
{
    size_t n = 0;
    struct slice name, value;
    while (n < ARGUMENTS_MAX && query.p && uri_query_next(&query, &name, &value))
        pairs[n++] = (struct pair){ decode(a, name), decode(a, value) };
    return n;
}

/* --- the whole ------------------------------------------------------------------------------ */

static void put_gateway(struct writer *w)
{
    char host[256] = "";
    if (gethostname(host, sizeof(host) - 1) != 0)
        host[0] = '\0';
    open_object(w, SLICE("kong"));
    put_pair(w, SLICE("hostname"), slice_of(host, strlen(host)));
    put_number(w, SLICE("worker_pid"), getpid());
    close_object(w);
}

static void put_headers(struct writer *w, struct stream *s)
{
    struct pair pairs[HEAD_FIELDS_MAX];
    put_pairs(w, SLICE("headers"), pairs,
              field_pairs(stream_arena(s), stream_request(s)->head, pairs));
}

static void put_query(struct writer *w, struct stream *s)
{
    struct pair pairs[ARGUMENTS_MAX];
    put_pairs(w, SLICE("query"), pairs,
              argument_pairs(stream_arena(s), stream_request(s)->uri.query, pairs));
}

static void put_request(struct writer *w, struct stream *s)
{
    const struct request *r = stream_request(s);
    int default_port = r->secure ? 443 : 80;
    open_object(w, SLICE("request"));
    put_pair(w, SLICE("scheme"), r->secure ? SLICE("https") : SLICE("http"));
    put_pair(w, SLICE("host"), r->host);
    put_number(w, SLICE("port"), r->port ? r->port : default_port);
    put_pair(w, SLICE("method"), r->head->method_text);
    put_pair(w, SLICE("path"), r->uri.path);
    put_headers(w, s);
    put_query(w, s);
    close_object(w);
}

static void put_entity(struct writer *w, struct slice kind, const struct conf_text *name,
                       const struct conf_text *id)
{
    open_object(w, kind);
    put_pair(w, SLICE("name"), slice_of(name->s, name->n));
    put_pair(w, SLICE("id"), slice_of(id->s, id->n));
    close_object(w);
}

/* Bytes that are always enough. */
static size_t measure(struct stream *s, const char *message)
{
    const struct request *r = stream_request(s);
    const struct conf_route *route = stream_route(s);
    const struct conf_service *service = stream_service(s);
    size_t text = r->host.n + r->head->method_text.n + r->uri.path.n + r->uri.query.n +
                  (message ? strlen(message) : 0);
    for (size_t i = 0; i < r->head->fields_n; i++)
        text += r->head->fields[i].name_n + r->head->fields[i].value_n;
    if (route)
        text += route->name.n + route->id.n;
    if (service)
        text += service->name.n + service->id.n;
    return text * JSON_GROWTH + (r->head->fields_n + (size_t)ARGUMENTS_MAX) * 16 + 4096;
}

struct slice request_echo(struct stream *s, const char *message)
{
    size_t room = measure(s, message);
    char *out = arena_take(stream_arena(s), room);
    const struct conf_route *route = stream_route(s);
    const struct conf_service *service = stream_service(s);
    if (!out)
        return slice_of(NULL, 0);
    struct writer w = { out, out + room };
    put(&w, SLICE("{"));
    if (message)
        put_pair(&w, SLICE("message"), slice_of(message, strlen(message)));
    put_gateway(&w);
    put_request(&w, s);
    if (route)
        put_entity(&w, SLICE("matched_route"), &route->name, &route->id);
    if (service)
        put_entity(&w, SLICE("matched_service"), &service->name, &service->id);
    close_object(&w);
    return slice_of(out, (size_t)(w.at - out));
}
