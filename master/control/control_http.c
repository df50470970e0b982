/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The head is parsed where it was read and stays there until the answer is out, since the request
 * is slices of it. Body bytes are moved out from behind it as they come, so the input buffer never
 * has to grow; what follows the body is the next request. A request that breaks a rule is answered
 * once and ends the connection.
 */
#include "master/control/control_http.h"
#include "worker/http/date.h"
#include "worker/http/uri.h"
#include <stdio.h>
#include <stdlib.h>

const char *control_http_doing(const struct control_http *h)
{
    static const char *const texts[] = {
#define CONTROL_HTTP_TEXT(id, text) [CONTROL_HTTP_##id] = (text),
        CONTROL_HTTP_STATES(CONTROL_HTTP_TEXT)
#undef CONTROL_HTTP_TEXT
    };

    return texts[h->state];
}

void control_http_init(struct control_http *h, const struct api_caller *caller)
{
    memset(h, 0, offsetof(struct control_http, in));
    h->caller = *caller;
}

void control_http_free(struct control_http *h)
{
    free(h->body);
    h->body = NULL;
    h->body_n = h->body_cap = 0;
    api_reply_free(&h->reply);
}

char *control_http_room(struct control_http *h, size_t *n)
{
    *n =
        h->state == CONTROL_HTTP_HEAD || h->state == CONTROL_HTTP_BODY ? sizeof h->in - h->in_n : 0;
    return h->in + h->in_n;
}

void control_http_take(struct control_http *h, size_t n)
{
    h->in_n += n;
}

/* --- the answer ----------------------------------------------------------------------------- */

static const char *reason(int status)
{
    static const struct {
        int status;
        const char *text;
    } reasons[] = {
        { 200, "OK" },
        { 201, "Created" },
        { 202, "Accepted" },
        { 204, "No Content" },
        { 400, "Bad Request" },
        { 403, "Forbidden" },
        { 404, "Not Found" },
        { 405, "Method Not Allowed" },
        { 408, "Request Timeout" },
        { 409, "Conflict" },
        { 413, "Content Too Large" },
        { 417, "Expectation Failed" },
        { 422, "Unprocessable Content" },
        { 431, "Request Header Fields Too Large" },
        { 500, "Internal Server Error" },
        { 501, "Not Implemented" },
        { 502, "Bad Gateway" },
        { 503, "Service Unavailable" },
        { 504, "Gateway Timeout" },
        { 505, "HTTP Version Not Supported" },
        { 507, "Insufficient Storage" },
    };

    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
        if (reasons[i].status == status)
            return reasons[i].text;
    return "Unknown";
}

static void print(struct control_http *h, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Appends to the answer's head, which has room for the longest. */
static void print(struct control_http *h, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    int n = vsnprintf(h->out + h->out_n, sizeof h->out - h->out_n, format, args);
    va_end(args);
    if (n > 0)
        h->out_n += (size_t)n < sizeof h->out - h->out_n ? (size_t)n : sizeof h->out - h->out_n - 1;
}

/* Writes the head of h->reply and begins to send. */
static void answer(struct control_http *h, const struct api *api)
{
    const struct api_reply *reply = &h->reply;
    char date[DATE_LENGTH];

    h->last = h->last || h->draining || !h->head.keep_alive;
    h->out_n = h->sent = 0;
    date_format(api->now, date);
    print(h, "HTTP/1.1 %d %s\r\nDate: %.*s\r\nServer: gateway\r\n", reply->status,
          reason(reply->status), DATE_LENGTH, date);
    if (reply->type != NULL)
        print(h, "Content-Type: %s\r\nX-Content-Type-Options: nosniff\r\n", reply->type);
    if (reply->status != 204)
        print(h, "Content-Length: %zu\r\n", reply->body_n);
    if (reply->allow[0] != '\0')
        print(h, "Allow: %s\r\n", reply->allow);
    print(h, "Cache-Control: no-store\r\n%s\r\n",
          h->last              ? "Connection: close\r\n"
          : h->head.minor == 0 ? "Connection: keep-alive\r\n"
                               : "");
    if (h->head.method == METHOD_HEAD)
        h->reply.body_n = 0;
    h->state = CONTROL_HTTP_SEND;
}

void control_http_refuse(struct control_http *h, struct api *api, int status, const char *message)
{
    if ((h->state == CONTROL_HTTP_SEND && h->sent > 0) || h->state == CONTROL_HTTP_OVER) {
        h->state = CONTROL_HTTP_OVER; /* nothing can be said in the middle of an answer */
        return;
    }
    if (h->state == CONTROL_HTTP_HEAD)
        h->head = (struct head){ .minor = 1 };
    api_reply_free(&h->reply);
    api_reply_message(&h->reply, status, "%s", message);
    h->last = true;
    answer(h, api);
}

void control_http_result(struct control_http *h, struct api *api, uint32_t number, const char *text,
                         size_t text_n)
{
    if (h->state != CONTROL_HTTP_WAIT)
        return;
    api_result(&h->reply, number, text, text_n);
    answer(h, api);
}

/* --- the request ---------------------------------------------------------------------------- */

static void call(struct control_http *h, struct api *api)
{
    struct api_request request = { .caller = &h->caller,
                                   .head = &h->head,
                                   .body = { h->body, h->body_n } };
    struct uri uri;

    if (!uri_parse(h->head.path, h->path, sizeof h->path, &uri)) {
        control_http_refuse(h, api, 400, "Malformed request target");
        return;
    }
    request.path = uri.path;
    request.query = uri.query;
    api_dispatch(api, &request, &h->reply);
    if (h->reply.waits != 0)
        h->state = CONTROL_HTTP_WAIT;
    else if (h->reply.job != NULL)
        h->state = CONTROL_HTTP_WORK;
    else
        answer(h, api);
}

/* Appends to the body. False: the request was refused. */
static bool append(struct control_http *h, struct api *api, struct slice bytes)
{
    if (bytes.n > CONTROL_HTTP_BODY_MAX - h->body_n) {
        control_http_refuse(h, api, 413, "The body is larger than 1m");
        return false;
    }
    if (bytes.n > h->body_cap - h->body_n) {
        size_t cap = h->body_cap * 2 < 4096 ? 4096 : h->body_cap * 2;
        while (cap < h->body_n + bytes.n)
            cap *= 2;
        char *body = realloc(h->body, cap);
        if (body == NULL) {
            control_http_refuse(h, api, 503, "No memory for the body");
            return false;
        }
        h->body = body;
        h->body_cap = cap;
    }
    memcpy(h->body + h->body_n, bytes.p, bytes.n);
    h->body_n += bytes.n;
    return true;
}

/* Moves what is left of the input to just behind the head. */
static void keep_rest(struct control_http *h, struct slice rest)
{
    memmove(h->in + h->head_n, rest.p, rest.n);
    h->in_n = h->head_n + rest.n;
}

static void read_length(struct control_http *h, struct api *api)
{
    size_t n = h->in_n - h->head_n;

    if (n > h->body_left)
        n = (size_t)h->body_left;
    if (n > 0 && !append(h, api, slice_of(h->in + h->head_n, n)))
        return;
    h->body_left -= n;
    keep_rest(h, slice_of(h->in + h->head_n + n, h->in_n - h->head_n - n));
    if (h->body_left == 0)
        call(h, api);
}

static void read_chunked(struct control_http *h, struct api *api)
{
    struct slice rest = slice_of(h->in + h->head_n, h->in_n - h->head_n), data;
    enum chunk_verdict verdict;

    while ((verdict = chunk_next(&h->chunk, &rest, &data)) == CHUNK_DATA)
        if (!append(h, api, data))
            return;
    keep_rest(h, rest);
    if (verdict == CHUNK_BAD)
        control_http_refuse(h, api, 400, "Malformed chunked body");
    else if (verdict == CHUNK_END)
        call(h, api);
}

static void begin_body(struct control_http *h, struct api *api)
{
    h->state = CONTROL_HTTP_BODY;
    h->body_left = h->head.framing == FRAMING_LENGTH ? h->head.content_length : 0;
    if (h->body_left > CONTROL_HTTP_BODY_MAX) {
        control_http_refuse(h, api, 413, "The body is larger than 1m");
        return;
    }
    if (h->head.framing == FRAMING_CHUNKED)
        chunk_init(&h->chunk, NULL);
    if (h->head.expect_continue && h->in_n == h->head_n &&
        (h->body_left > 0 || h->head.framing == FRAMING_CHUNKED)) {
        h->out_n = h->sent = 0;
        print(h, "HTTP/1.1 100 Continue\r\n\r\n");
        h->state = CONTROL_HTTP_CONTINUE;
    }
}

static void read_head(struct control_http *h, struct api *api)
{
    int n = head_request(h->in, h->in_n, h->seen, &h->head);

    if (n == HEAD_MORE && h->in_n < CONTROL_HTTP_HEAD_MAX) {
        h->seen = h->in_n;
        return;
    }
    if (n <= 0 || n > CONTROL_HTTP_HEAD_MAX) {
        if (n < 0)
            control_http_refuse(h, api, head_error_status(n), head_error_text(n));
        else
            control_http_refuse(h, api, 431, "The head is larger than 16k");
        return;
    }
    h->head_n = (size_t)n;
    begin_body(h, api);
}

/* One step. True: there may be another one to do. */
static bool step(struct control_http *h, struct api *api)
{
    enum control_http_state before = h->state;

    if (h->state == CONTROL_HTTP_HEAD && h->in_n > 0)
        read_head(h, api);
    else if (h->state == CONTROL_HTTP_BODY && h->head.framing == FRAMING_CHUNKED)
        read_chunked(h, api);
    else if (h->state == CONTROL_HTTP_BODY)
        read_length(h, api);
    return h->state != before;
}

void control_http_run(struct control_http *h, struct api *api)
{
    if (h->state == CONTROL_HTTP_WORK && h->reply.job->step(h->reply.job, &h->reply))
        answer(h, api);
    while (step(h, api))
        ;
}

/* --- what is sent --------------------------------------------------------------------------- */

int control_http_pending(const struct control_http *h, struct iovec iov[2])
{
    size_t sent = h->sent, body_n = h->state == CONTROL_HTTP_SEND ? h->reply.body_n : 0;
    int n = 0;

    if (h->state != CONTROL_HTTP_SEND && h->state != CONTROL_HTTP_CONTINUE)
        return 0;
    if (sent < h->out_n)
        iov[n++] = (struct iovec){ (void *)(uintptr_t)(h->out + sent), h->out_n - sent };
    sent = sent > h->out_n ? sent - h->out_n : 0;
    if (sent < body_n)
        iov[n++] = (struct iovec){ h->reply.body + sent, body_n - sent };
    return n;
}

/* Forgets the request that was answered; what the client sent after it comes to the front. */
static void next_request(struct control_http *h)
{
    control_http_free(h);
    h->served++;
    if (h->last) {
        h->state = CONTROL_HTTP_OVER;
        return;
    }
    memmove(h->in, h->in + h->head_n, h->in_n - h->head_n);
    h->in_n -= h->head_n;
    h->head_n = h->seen = 0;
    h->state = CONTROL_HTTP_HEAD;
}

void control_http_sent(struct control_http *h, size_t n)
{
    struct iovec iov[2];

    h->sent += n;
    if (control_http_pending(h, iov) > 0)
        return;
    if (h->state == CONTROL_HTTP_CONTINUE)
        h->state = CONTROL_HTTP_BODY;
    else if (h->state == CONTROL_HTTP_SEND)
        next_request(h);
}
