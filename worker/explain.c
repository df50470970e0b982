/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See explain.h. The stages up to the plugins run as they are; the plugins' loop is the access
 * stage's, with a line written for each. A plugin that counts, or asks somebody else, is named and
 * not run: looking must change nothing. Those behind the first that answers would not be reached.
 */
#include "worker/explain.h"

#include "worker/address.h"
#include "worker/conn.h"
#include "worker/nobody.h"
#include "worker/plugin.h"
#include <jansson.h>
#include <stdlib.h>

struct explained {
    struct conn conn; /* stands for the client's */
    struct slice head;
    json_t *said;
};

static int read_head(struct stream *s)
{
    struct explained *e = (struct explained *)((char *)s->conn - offsetof(struct explained, conn));
    int n = head_request(e->head.p, e->head.n, 0, &s->head);

    if (n > 0)
        return n;
    s->cause = n == 0 ? "the head is not complete" : head_error_text(n);
    return n == 0 ? -400 : -head_error_status(n);
}

static const struct carrier explain_carrier = {
    .read_head = read_head,
    .read_body = nobody_read_body,
    .rewind_body = nobody_rewind_body,
    .send_interim = nobody_send_interim,
    .send = nobody_send,
    .flushed = nobody_flushed,
    .abandoned = nobody_abandoned,
    .wake = nobody_wake,
    .may_go_on = nobody_may_go_on,
};

/* --- what is said --------------------------------------------------------------------------- */

/* Text of any bytes; what is no UTF-8 is left out. */
static void put(json_t *o, const char *name, struct slice text)
{
    json_t *value = json_stringn(text.p ? text.p : "", text.n);

    json_object_set_new(o, name, value ? value : json_string(""));
}

static void put_text(json_t *o, const char *name, struct conf_text text)
{
    put(o, name, slice_of(text.s, text.n));
}

/* The answer that is set on the stream. */
static void put_answer(json_t *o, const struct stream *s)
{
    json_object_set_new(o, "status", json_integer(s->reply.status));
    if (s->own_body.n)
        put(o, "body", s->own_body);
}

static void put_route(json_t *o, const struct stream *s)
{
    put_text(o, "route", s->route->name);
    put_text(o, "route_id", s->route->id);
    if (s->match.path)
        put_text(o, "matched", s->match.path->text);
    if (s->service)
        put_text(o, "service", s->service->name);
}

static json_t *scope_of(const struct conf_plugin *p)
{
    json_t *o = json_object();

    if (p->service)
        put_text(o, "service", p->service->name);
    if (p->route)
        put_text(o, "route", p->route->name);
    if (p->consumer)
        put_text(o, "consumer", p->consumer->username);
    return o;
}

/* --- plugins -------------------------------------------------------------------------------- */

/* Runs it, or says why not. True: it answers. */
static bool ask(struct stream *s, const struct conf_plugin *p, const struct plugin_ops *ops,
                json_t *o)
{
    if (!ops->access) {
        json_object_set_new(o, "verdict",
                            json_string(p->kind == CONF_PLUGIN_PROXY_CACHE ? "looks in the cache"
                                                                           : "sees the response"));
        return false;
    }
    enum stage_result r = STAGE_WAIT;
    if (!ops->effect)
        r = ops->access(s, p->config);
    else if (ops->look)
        r = ops->look(s, p->config);
    if (r == STAGE_WAIT && ops->effect) {
        json_object_set_new(o, "verdict", json_string("not asked"));
        json_object_set_new(o, "effect", json_string(ops->effect));
        return false;
    }
    json_object_set_new(o, "verdict",
                        json_string(r == STAGE_NEXT   ? "passes"
                                    : r == STAGE_DONE ? "answers"
                                                      : "waits"));
    if (r == STAGE_DONE)
        put_answer(o, s);
    return r != STAGE_NEXT;
}

/* Returns whether one of them answers. */
static bool run_plugins(struct stream *s, json_t *list)
{
    const struct conf_chain *chain = s->route->chain;
    unsigned protocol = s->request.secure ? CONF_HTTPS : CONF_HTTP;
    bool answered = false;

    for (; s->link < chain->links_n; s->link++) {
        const struct conf_plugin *p = plugin_pick(&chain->links[s->link], s->consumer);
        if (!p || !(p->protocols & protocol))
            continue;
        const struct plugin_ops *ops = plugins_table[p->kind];
        json_t *o = json_object();
        put_text(o, "name", p->name);
        json_object_set_new(o, "priority", json_integer(p->priority));
        put_text(o, "where", p->where);
        json_object_set_new(o, "scope", scope_of(p));
        if (answered && (ops->access || p->kind == CONF_PLUGIN_PROXY_CACHE))
            json_object_set_new(o, "verdict", json_string("not reached"));
        else
            answered |= ask(s, p, ops, o);
        json_array_append_new(list, o);
    }
    return answered;
}

/* --- the way -------------------------------------------------------------------------------- */

static void go(struct stream *s, bool secure, json_t *o)
{
    if (stage_parse(s) != STAGE_NEXT) {
        put_answer(o, s);
        put(o, "cause", slice_of(s->cause ? s->cause : "", s->cause ? strlen(s->cause) : 0));
        return;
    }
    if (secure) {
        s->request.secure = true;
        s->sni = s->request.host;
    }
    enum stage_result r = stage_route(s);
    if (s->route)
        put_route(o, s);
    if (r != STAGE_NEXT) {
        put_answer(o, s);
        return;
    }
    json_t *plugins = json_array();
    if (run_plugins(s, plugins) && s->reply.status)
        put_answer(o, s);
    json_object_set_new(o, "plugins", plugins);
    if (s->consumer)
        put_text(o, "consumer", s->consumer->username);
}

/* The scheme and the client's address, ahead of the head. */
static bool read_first_line(struct slice *text, uint8_t ip[16], bool *secure)
{
    const char *end = text->n ? memchr(text->p, '\n', text->n) : NULL;
    const char *space = end ? memchr(text->p, ' ', (size_t)(end - text->p)) : NULL;

    if (!space || !address_parse(slice_of(space + 1, (size_t)(end - space) - 1), ip))
        return false;
    *secure = slice_equal(slice_of(text->p, (size_t)(space - text->p)), SLICE("https"));
    *text = slice_of(end + 1, text->n - (size_t)(end + 1 - text->p));
    return true;
}

static bool answer(struct worker *w, const struct channel_message *q, json_t *o)
{
    struct explained *e = calloc(1, sizeof *e);
    struct slice text = slice_of(q->text, q->text_n);
    struct stream *s;
    bool secure;

    if (!e || !read_first_line(&text, e->conn.peer_ip, &secure)) {
        free(e);
        return false;
    }
    e->conn.w = w;
    e->conn.t.io.fd = -1;
    e->head = text;
    s = stream_begin(w, &e->conn, &explain_carrier);
    bool began = s != NULL;
    if (began) {
        s->ended = true; /* no line in the access log, no count of a request */
        go(s, secure, o);
        stream_free(&s);
    }
    free(e);
    return began;
}

void explain(struct worker *w, const struct channel_message *q)
{
    json_t *o = json_object();
    char *text = NULL;

    if (answer(w, q, o))
        text = json_dumps(o, JSON_COMPACT);
    json_decref(o);
    size_t n = text ? strlen(text) : 0;
    if (n > CHANNEL_TEXT_MAX)
        n = 0; /* the question was as long: nothing that a client could send */
    channel_send(w->heritage->channel, CHANNEL_EXPLAINED, q->number, q->id, text, n);
    free(text);
}
