/* SPDX-License-Identifier: Apache-2.0 */
/*
 * API: what a request would meet. A worker finds out (worker/explain.h): here the request is put
 * together as a client would send it, so that what the worker reads is what its parser knows, and
 * no field can bring another one along.
 */
#include "master/control/api.h"
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { EXPLAIN_TEXT_MAX = CHANNEL_TEXT_MAX / 2 }; /* the answer has what was asked in it, escaped */

struct imagined {
    bool secure;
    const char *method, *client;
    struct slice authority, target;
    const json_t *fields;
};

static bool is_clean(const char *text, const char *refused)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f || strchr(refused, *text))
            return false;
    return true;
}

/* http[s]://AUTHORITY[/PATH][?QUERY] */
static bool read_url(const char *url, struct imagined *i)
{
    const char *at;

    if (!url || !is_clean(url, " "))
        return false;
    i->secure = strncasecmp(url, "https://", 8) == 0;
    if (!i->secure && strncasecmp(url, "http://", 7) != 0)
        return false;
    at = url + (i->secure ? 8 : 7);
    i->authority = slice_of(at, strcspn(at, "/?#"));
    at += i->authority.n;
    i->target = slice_of(at, strcspn(at, "#"));
    return i->authority.n > 0;
}

static bool is_address(const char *text)
{
    struct in_addr in;
    struct in6_addr in6;

    return inet_pton(AF_INET, text, &in) == 1 || strcmp(text, "unix:") == 0 ||
           (inet_pton(AF_INET6, text, &in6) == 1 && !IN6_IS_ADDR_UNSPECIFIED(&in6));
}

static const char *read_fields(const json_t *list)
{
    for (size_t k = 0; k < json_array_size(list); k++) {
        const char *line = json_string_value(json_array_get(list, k));
        if (!line || !strchr(line, ':') || !is_clean(line, ""))
            return "headers must be a list of \"Name: value\"";
    }
    return !list || json_is_array(list) ? NULL : "headers must be a list of \"Name: value\"";
}

/* NULL: understood; else what is wrong. */
static const char *understand(const json_t *body, struct imagined *i)
{
    const json_t *method = json_object_get(body, "method");
    const json_t *client = json_object_get(body, "client_ip");

    i->method = method ? json_string_value(method) : "GET";
    i->client = client ? json_string_value(client) : "127.0.0.1";
    i->fields = json_object_get(body, "headers");
    if (!read_url(json_string_value(json_object_get(body, "url")), i))
        return "The body must be {\"url\": \"http://host/path\"}, with \"method\", \"headers\" and "
               "\"client_ip\" if need be";
    if (!i->method || !*i->method || !is_clean(i->method, " "))
        return "method must be a word";
    if (!i->client || !is_address(i->client))
        return "client_ip must be an address, or \"unix:\"";
    return read_fields(i->fields);
}

static bool names_host(const char *line)
{
    return strncasecmp(line, "Host:", 5) == 0;
}

/* The worker's question in out[0..cap); false: it does not fit. */
static bool compose(const struct imagined *i, char *out, size_t cap)
{
    bool host = false;
    int n = snprintf(out, cap, "%s %s\n%s %s%.*s HTTP/1.1\r\n", i->secure ? "https" : "http",
                     i->client, i->method, i->target.n && i->target.p[0] == '/' ? "" : "/",
                     (int)i->target.n, i->target.p);

    for (size_t k = 0; k < json_array_size(i->fields) && n > 0 && (size_t)n < cap; k++) {
        const char *line = json_string_value(json_array_get(i->fields, k));
        host |= names_host(line);
        n += snprintf(out + n, cap - (size_t)n, "%s\r\n", line);
    }
    if (n > 0 && (size_t)n < cap && !host)
        n += snprintf(out + n, cap - (size_t)n, "Host: %.*s\r\n", (int)i->authority.n,
                      i->authority.p);
    if (n > 0 && (size_t)n < cap)
        n += snprintf(out + n, cap - (size_t)n, "\r\n");
    return n > 0 && (size_t)n < cap;
}

static void ask(struct api *api, const struct imagined *i, struct api_reply *reply)
{
    char text[EXPLAIN_TEXT_MAX];

    if (!compose(i, text, sizeof text)) {
        api_reply_message(reply, 413, "That is more than a client may send");
        return;
    }
    reply->asked = CHANNEL_EXPLAIN;
    reply->waits = api->ask(api, CHANNEL_EXPLAIN, text);
    if (reply->waits == 0)
        api_reply_message(reply, 503, "The master does not listen, or too many calls wait for it");
}

void api_explain(struct api *api, const struct api_request *request, struct api_reply *reply)
{
    json_t *body = json_loadb(request->body.p ? request->body.p : "", request->body.n,
                              JSON_REJECT_DUPLICATES, NULL);
    struct imagined imagined = { 0 };
    const char *wrong = understand(body, &imagined);

    if (wrong)
        api_reply_message(reply, 400, "%s", wrong);
    else
        ask(api, &imagined, reply);
    json_decref(body);
}
