/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dispatch of the control API by one table. Before a row is looked for, a caller of the TCP
 * listener has to show that it is no web page: a page that a browser on this machine shows can send
 * requests to loopback, but it cannot take away the Origin field or name an address as the Host
 * that it was loaded from.
 */
#include "master/control/api.h"
#include "shm/board.h"
#include "worker/base/log.h"
#include "worker/http/uri.h"
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

static const struct api_route routes[] = {
#define ROUTE(method, pattern, rights, handler, summary)                                           \
    { METHOD_##method, pattern, API_##rights, handler, summary },
#include "master/control/api_routes.def"
#undef ROUTE
};
enum { ROUTES = sizeof routes / sizeof routes[0] };

static const char *method_name(enum head_method method)
{
    return method == METHOD_GET     ? "GET"
           : method == METHOD_POST  ? "POST"
           : method == METHOD_PUT   ? "PUT"
           : method == METHOD_PATCH ? "PATCH"
                                    : "DELETE";
}

/* Whether `path` has the form of `pattern`; its ":x" segments go to args, at most API_ARGS. */
static bool fits(const char *pattern, struct slice path, struct slice args[API_ARGS])
{
    size_t at = 0, taken = 0;

    while (*pattern != '\0') {
        if (*pattern != ':') {
            if (at == path.n || path.p[at++] != *pattern++)
                return false;
            continue;
        }
        size_t from = at;
        while (at < path.n && path.p[at] != '/')
            at++;
        if (at == from || taken == API_ARGS)
            return false;
        args[taken++] = slice_of(path.p + from, at - from);
        while (*pattern != '\0' && *pattern != '/')
            pattern++;
    }
    return at == path.n;
}

static bool open_to(const struct api_route *route, enum api_door door)
{
    return door != API_DOOR_STATUS || route->rights == API_PUBLIC;
}

static void allow(struct api_reply *reply, const char *method)
{
    size_t n = strlen(reply->allow);

    if (strstr(reply->allow, method) == NULL)
        snprintf(reply->allow + n, sizeof reply->allow - n, "%s%s", n > 0 ? ", " : "", method);
}

const struct api_route *api_find(struct api_request *request, struct api_reply *reply)
{
    for (size_t i = 0; i < ROUTES; i++) {
        const struct api_route *route = &routes[i];
        if (!open_to(route, request->caller->door) ||
            !fits(route->pattern, request->path, request->args))
            continue;
        if (route->method == request->method) {
            reply->allow[0] = '\0'; /* for who may not do what he asks for */
            return route;
        }
        allow(reply, method_name(route->method));
        if (route->method == METHOD_GET)
            allow(reply, "HEAD");
    }
    if (reply->allow[0] != '\0')
        api_reply_message(reply, 405, "Method not allowed");
    else
        api_reply_message(reply, 404, "Not found");
    return NULL;
}

/* An address or "localhost" as the Host: what no page on another name can send. */
static bool host_is_local(const struct head *head)
{
    char buf[256], text[256];
    struct in_addr in;
    struct in6_addr in6;
    struct slice name;
    int port;

    if (head->host.n == 0 || head->host.n >= sizeof buf ||
        !uri_host(head->host, buf, sizeof buf, &name, &port))
        return false;
    if (slice_equal(name, SLICE("localhost")))
        return true;
    if (name.n >= 2 && name.p[0] == '[' && name.p[name.n - 1] == ']')
        name = slice_of(name.p + 1, name.n - 2);
    memcpy(text, name.p, name.n);
    text[name.n] = '\0';
    return inet_pton(AF_INET, text, &in) == 1 || inet_pton(AF_INET6, text, &in6) == 1;
}

static bool admitted(const struct api_request *request, struct api_reply *reply)
{
    if (request->caller->door != API_DOOR_ADMIN)
        return true;
    if (head_find(request->head, SLICE("Origin")) != NULL)
        api_reply_message(reply, 403, "Requests from web pages are refused");
    else if (!host_is_local(request->head))
        api_reply_message(reply, 403, "The Host must be an IP address or localhost");
    else
        return true;
    return false;
}

/* A process of an earlier configuration finishes what it has. What it would change, it would change
 * by a file that is not in use any more, and nobody would heed it. */
static bool is_superseded(const struct api *api)
{
    const struct heritage *h = api->heritage;

    return board_of(&h->board)->generation > h->generation;
}

void api_dispatch(struct api *api, struct api_request *request, struct api_reply *reply)
{
    *reply = (struct api_reply){ 0 };
    if (peers_stale(&api->peers))
        peers_renew(&api->peers);
    request->method = request->head->method == METHOD_HEAD ? METHOD_GET : request->head->method;
    if (!admitted(request, reply))
        return;
    const struct api_route *route = api_find(request, reply);
    if (route == NULL)
        return;
    if (route->rights == API_CHANGE && is_superseded(api))
        api_reply_message(reply, 503,
                          "Another configuration is in use by now: ask again, on a new connection");
    else
        route->handler(api, request, reply);
}

void api_index(struct api *api, const struct api_request *request, struct api_reply *reply)
{
    json_t *list = json_array();

    (void)api, (void)request;
    for (size_t i = 0; i < ROUTES; i++)
        json_array_append_new(list,
                              json_pack("{ssssss}", "method", method_name(routes[i].method), "path",
                                        routes[i].pattern, "summary", routes[i].summary));
    api_reply_json(
        reply, 200,
        json_pack("{sssssO}", "name", "gateway", "version", GATEWAY_VERSION, "calls", list));
    json_decref(list);
}

static json_t *lines_of(const char *text, size_t n)
{
    json_t *list = json_array();
    const char *end = text + n;

    while (text < end) {
        const char *stop = memchr(text, '\n', (size_t)(end - text));
        if (stop == NULL)
            stop = end;
        if (stop > text)
            json_array_append_new(list, api_text(text, (size_t)(stop - text)));
        text = stop < end ? stop + 1 : end;
    }
    return list;
}

void api_result(struct api_reply *reply, uint32_t number, const char *text, size_t text_n)
{
    struct slice said = text != NULL && text_n > 0 ? slice_of(text, text_n) : SLICE("done");

    reply->waits = 0;
    if (number == 0 && reply->asked == CHANNEL_EXPLAIN) {
        json_t *value = json_loadb(said.p, said.n, 0, NULL);
        if (value)
            api_reply_json(reply, 200, value);
        else
            api_reply_message(reply, 502, "The worker's answer cannot be read");
        return;
    }
    if (number != 0 && reply->asked == CHANNEL_RELOAD) {
        json_t *value = json_object();
        json_object_set_new(value, "message",
                            json_string("The configuration is refused; nothing has changed"));
        json_object_set_new(value, "errors", lines_of(said.p, said.n));
        api_reply_json(reply, 422, value);
        return;
    }
    while (said.n > 0 && said.p[said.n - 1] == '\n')
        said.n--;
    json_t *value = json_object();
    json_object_set_new(value, "message", api_text(said.p, said.n));
    api_reply_json(reply, number == 0 ? 200 : 422, value);
}

void api_reply_json(struct api_reply *reply, int status, json_t *value)
{
    char *text = value != NULL ? json_dumps(value, JSON_COMPACT | JSON_REAL_PRECISION(12)) : NULL;

    json_decref(value);
    api_reply_text(reply, status, text, text != NULL ? strlen(text) : 0);
}

void api_reply_text(struct api_reply *reply, int status, char *json, size_t n)
{
    free(reply->body);
    reply->body = json;
    reply->status = json != NULL ? status : 500;
    reply->type = json != NULL ? "application/json; charset=utf-8" : NULL;
    reply->body_n = n;
}

void api_reply_message(struct api_reply *reply, int status, const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    json_t *value = json_object();
    json_object_set_new(value, "message", api_text(text, strlen(text)));
    api_reply_json(reply, status, value);
}

void api_reply_free(struct api_reply *reply)
{
    if (reply->job != NULL)
        reply->job->drop(reply->job);
    free(reply->body);
    *reply = (struct api_reply){ 0 };
}

enum parameter { PARAMETER_NONE, PARAMETER_BAD, PARAMETER_GOOD };

static enum parameter read_parameter(const struct api_request *request, const char *name, char *out,
                                     size_t cap)
{
    struct slice rest = request->query, key, value, wanted = { name, strlen(name) };

    while (rest.p != NULL && uri_query_next(&rest, &key, &value)) {
        if (!slice_equal(key, wanted))
            continue;
        if (value.p == NULL || value.n >= cap)
            return PARAMETER_BAD;
        ptrdiff_t n = uri_decode(value, true, out, cap);
        if (n < 0 || memchr(out, '\0', (size_t)n) != NULL)
            return PARAMETER_BAD;
        out[n] = '\0';
        return PARAMETER_GOOD;
    }
    return PARAMETER_NONE;
}

bool api_parameter(const struct api_request *request, const char *name, char *out, size_t cap)
{
    return read_parameter(request, name, out, cap) == PARAMETER_GOOD;
}

bool api_parameter_fits(const struct api_request *request, const char *name, size_t cap)
{
    char text[API_PARAMETER_MAX];

    return read_parameter(request, name, text, cap) != PARAMETER_BAD;
}

json_t *api_text(const char *p, size_t n)
{
    static const char replacement[] = "\xef\xbf\xbd";
    json_t *text = json_stringn(p, n);

    if (text != NULL || n > SIZE_MAX / 3)
        return text;
    char *clean = malloc(3 * n + 1);
    if (clean == NULL)
        return NULL;
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        if ((unsigned char)p[i] < 0x80) {
            clean[at++] = p[i];
            continue;
        }
        memcpy(clean + at, replacement, sizeof replacement - 1);
        at += sizeof replacement - 1;
    }
    text = json_stringn(clean, at);
    free(clean);
    return text;
}

json_t *api_conf_text(struct conf_text text)
{
    return api_text(text.s, text.n);
}

json_t *api_conf_texts(struct conf_texts texts)
{
    json_t *list = json_array();

    for (size_t i = 0; i < texts.n; i++)
        json_array_append_new(list, api_conf_text(texts.v[i]));
    return list;
}

void api_audit(const struct api_request *request, const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    for (char *at = text; *at != '\0'; at++)
        if ((unsigned char)*at < 0x20 || (unsigned char)*at >= 0x7f)
            *at = '?';
    log_write(LOG_LEVEL_NOTICE, "%s by %s", text, request->caller->text);
}
