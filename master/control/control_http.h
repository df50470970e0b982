/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One HTTP/1.1 conversation with the control API, without its socket: bytes go in, a call is made
 * when a request is complete, bytes to send come out. One request at a time; what a client sends
 * ahead waits. Everything is bounded.
 */
#ifndef MASTER_CONTROL_HTTP_H
#define MASTER_CONTROL_HTTP_H

#include "master/control/api.h"
#include "worker/http/chunk.h"
#include <sys/uio.h>

enum {
    CONTROL_HTTP_HEAD_MAX = 16384,
    CONTROL_HTTP_BODY_MAX = 1 << 20,
    CONTROL_HTTP_INPUT = CONTROL_HTTP_HEAD_MAX + 4096,
};

#define CONTROL_HTTP_STATES(X)                                                                     \
    X(HEAD, "reading a head")                                                                      \
    X(CONTINUE, "sending 100 Continue")                                                            \
    X(BODY, "reading a body")                                                                      \
    X(WAIT, "waiting for the master")                                                              \
    X(WORK, "working on an answer")                                                                \
    X(SEND, "sending an answer")                                                                   \
    X(OVER, "over")

enum control_http_state {
#define CONTROL_HTTP_STATE(id, text) CONTROL_HTTP_##id,
    CONTROL_HTTP_STATES(CONTROL_HTTP_STATE)
#undef CONTROL_HTTP_STATE
};

struct control_http {
    enum control_http_state state;
    struct api_caller caller;
    bool draining;     /* set from outside: this request is the last one */
    bool last;         /* the connection ends with this answer */
    uint64_t served;   /* requests answered completely */
    size_t in_n, seen; /* bytes in `in`; of them, looked at for the end of a head */
    size_t head_n;     /* of the request in hand */
    struct head head;
    struct chunk chunk;
    uint64_t body_left; /* of Content-Length */
    char *body;         /* decoded so far; malloc'd */
    size_t body_n, body_cap;
    struct api_reply reply;
    char out[768];      /* head of the answer */
    size_t out_n, sent; /* sent: of head and body together */
    char in[CONTROL_HTTP_INPUT];
    char path[CONTROL_HTTP_INPUT]; /* where a path is normalised to */
};

/* "reading a head", ... for the log. */
const char *control_http_doing(const struct control_http *h);

void control_http_init(struct control_http *h, const struct api_caller *caller);
void control_http_free(struct control_http *h); /* what it holds; not *h */

/* Where to read to; *n 0: nothing can be taken now. Then how much was read. */
char *control_http_room(struct control_http *h, size_t *n);
void control_http_take(struct control_http *h, size_t n);

/* Goes on as far as it can: reads a request, makes the call. Afterwards `state` says what is
 * wanted: more input (HEAD, BODY), output (CONTINUE, SEND), the master's answer (WAIT), another
 * call of this (WORK: one slice of the work is done by each), or the end (OVER). */
void control_http_run(struct control_http *h, struct api *api);

/* The master's answer to h->reply.waits. */
void control_http_result(struct control_http *h, struct api *api, uint32_t number, const char *text,
                         size_t text_n);

/* Ends the request in hand with an error, and the connection after it. */
void control_http_refuse(struct control_http *h, struct api *api, int status, const char *message);

/* What is to be sent, up to two vectors; returns how many. Then how much was sent: after the last
 * byte the state moves on, and control_http_run() may find the next request. */
int control_http_pending(const struct control_http *h, struct iovec iov[2]);
void control_http_sent(struct control_http *h, size_t n);

#endif
