/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cors: cross-origin requests of browsers, after the Fetch standard. A preflight request is
 * answered here, before anybody is asked who is asking; other responses are marked on their way
 * out, those from the cache too, so that what is stored is the same for all origins.
 */
#include "conf/plugins/plugin_cors.h"
#include "worker/plugins/lookup.h"
#include "worker/plugins/origin.h"
#include "worker/plugins/plugins.h"

/* Absent, also when it is there twice: then nobody can say which one a browser meant. */
static struct slice only(struct stream *s, const char *name)
{
    const struct head *head = stream_request(s)->head;
    const struct conf_text text = { name, strlen(name) };
    const struct field *f = lookup_field(head, &text, NULL);
    return f && !lookup_field(head, &text, f) ? slice_of(f->value, f->value_n) : slice_of(NULL, 0);
}

static bool is_preflight(struct stream *s)
{
    return stream_request(s)->head->method == METHOD_OPTIONS && only(s, "Origin").p &&
           only(s, "Access-Control-Request-Method").p;
}

static bool matches(const struct conf_cors_origin *o, const struct origin *origin)
{
    struct slice subject = o->by_host ? origin->host : origin->whole;
    if (o->regex)
        return regex_match(o->regex, subject.p, subject.n, NULL, 0) > 0;
    struct slice text = slice_text(o->text);
    return slice_equal_nocase(o->by_host ? text : origin_read(text).whole, subject);
}

/* What Access-Control-Allow-Origin says; {NULL, 0}: nothing. */
static struct slice allowed(const struct conf_cors *c, struct slice asked)
{
    if (c->origins_n == 1 && !c->origins[0].regex && !c->origins[0].by_host)
        return slice_text(c->origins[0].text);
    if (!asked.p)
        return slice_of(NULL, 0);
    struct origin origin = origin_read(asked);
    for (size_t i = 0; i < c->origins_n; i++)
        if (matches(&c->origins[i], &origin))
            return origin.whole;
    return slice_of(NULL, 0);
}

/* Whether it depends on Origin what a response says: then caches have to know also where there was
 * none, lest they give that response to those who send one. */
static bool varies(const struct conf_cors *c)
{
    return !c->any_origin || c->credentials || !c->allow_origin_absent;
}

/* "*" and credentials exclude each other: then the origin is named. */
static void put_origin(struct stream *s, const struct conf_cors *c)
{
    struct slice asked = only(s, "Origin"), answer;
    bool named = !c->any_origin || (c->credentials && asked.p);
    answer = !named ? SLICE("*") : c->any_origin ? asked : allowed(c, asked);
    stream_set_response(s, SLICE("Access-Control-Allow-Origin"), answer);
    if (c->credentials && named && answer.p)
        stream_set_response(s, SLICE("Access-Control-Allow-Credentials"), SLICE("true"));
    else
        stream_drop_response(s, SLICE("Access-Control-Allow-Credentials"));
}

static void put_preflight(struct stream *s, const struct conf_cors *c)
{
    struct slice headers =
        c->headers.n ? slice_text(c->headers) : only(s, "Access-Control-Request-Headers");
    if (headers.p)
        stream_set_response(s, SLICE("Access-Control-Allow-Headers"), headers);
    stream_set_response(s, SLICE("Access-Control-Allow-Methods"), slice_text(c->methods));
    if (c->max_age >= 0)
        stream_set_response(s, SLICE("Access-Control-Max-Age"),
                            arena_print(stream_arena(s), "%d", c->max_age));
    if (c->private_network &&
        slice_equal(only(s, "Access-Control-Request-Private-Network"), SLICE("true")))
        stream_set_response(s, SLICE("Access-Control-Allow-Private-Network"), SLICE("true"));
}

static enum stage_result cors_access(struct stream *s, const void *config)
{
    const struct conf_cors *c = config;
    if (c->preflight_continue || !is_preflight(s))
        return STAGE_NEXT;
    if (varies(c))
        stream_add_response(s, SLICE("Vary"), SLICE("Origin"));
    put_origin(s, c);
    put_preflight(s, c);
    return stream_answer_with(s, 200, slice_of(NULL, 0), slice_of(NULL, 0));
}

static void cors_header_filter(struct stream *s, const void *config)
{
    const struct conf_cors *c = config;
    if (is_preflight(s))
        return;
    if (varies(c))
        stream_add_response(s, SLICE("Vary"), SLICE("Origin"));
    if (!c->allow_origin_absent && !only(s, "Origin").p)
        return;
    put_origin(s, c);
    if (c->exposed_headers.n)
        stream_set_response(s, SLICE("Access-Control-Expose-Headers"),
                            slice_text(c->exposed_headers));
}

const struct plugin_ops cors_ops = {
    .kind = CONF_PLUGIN_CORS,
    .access = cors_access,
    .header_filter = cors_header_filter,
};
