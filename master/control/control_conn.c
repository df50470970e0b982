/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection of the control process. Whoever may open the socket may also be broken or hostile: a
 * request has a deadline from its first byte on, what is held for slow readers is bounded over all
 * connections, a client that sends without end gets its turn and no more. After its last answer a
 * connection is shut for writing and read for a moment, so that the answer is not lost to a reset.
 */
#include "master/control/control_conn.h"
#include "worker/base/log.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TURNS_MAX = 16, HELD_MAX = 256 << 20, HELD_FREE = 1 << 20, LINGER_BYTES = 1 << 20 };

enum phase { PHASE_NEW, PHASE_IDLE, PHASE_READ, PHASE_WAIT, PHASE_SEND, PHASE_LINGER };

struct control_conn {
    struct loop_io io;
    struct loop_later later, slice;
    struct timer deadline, again;
    struct control_conns *conns;
    struct control_conn *next, **link;
    enum phase phase;
    uint64_t phase_of; /* the request that it counts for */
    bool said_all;     /* shut for writing */
    bool working;      /* `slice` is on its way */
    size_t lingered;
    struct control_http http;
};

static struct control_conn *of_io(struct loop_io *io)
{
    return (struct control_conn *)((char *)io - offsetof(struct control_conn, io));
}

static void release(struct loop_later *later)
{
    struct control_conn *c =
        (struct control_conn *)((char *)later - offsetof(struct control_conn, later));

    control_http_free(&c->http);
    free(c);
}

static void shut(struct control_conn *c)
{
    struct loop *loop = c->conns->loop;

    if (c->io.fd < 0)
        return;
    loop_unwatch(loop, &c->io);
    close(c->io.fd);
    c->io.fd = -1;
    timer_drop(&loop->timers, &c->deadline);
    timer_drop(&loop->timers, &c->again);
    *c->link = c->next;
    if (c->next != NULL)
        c->next->link = c->link;
    c->conns->open[c->http.caller.door]--;
    loop_defer(loop, &c->later, release);
}

/* --- deadlines ------------------------------------------------------------------------------ */

static void go(struct control_conn *c);

static void late(struct timer *t)
{
    struct control_conn *c =
        (struct control_conn *)((char *)t - offsetof(struct control_conn, deadline));

    if (c->phase != PHASE_IDLE && c->phase != PHASE_LINGER)
        log_write(LOG_LEVEL_INFO, "control: %s: out of time while %s", c->http.caller.text,
                  control_http_doing(&c->http));
    if (c->phase == PHASE_READ)
        control_http_refuse(&c->http, c->conns->api, 408, "The request took too long");
    else if (c->phase == PHASE_WAIT)
        control_http_refuse(&c->http, c->conns->api, 504,
                            c->http.state == CONTROL_HTTP_WORK
                                ? "That took too long"
                                : "The master did not answer in time");
    else
        shut(c);
    if (c->io.fd >= 0)
        go(c);
}

static enum phase phase_of(const struct control_conn *c)
{
    switch (c->http.state) {
    case CONTROL_HTTP_HEAD:
        return c->http.in_n > 0 ? PHASE_READ : PHASE_IDLE;
    case CONTROL_HTTP_BODY:
    case CONTROL_HTTP_CONTINUE:
        return PHASE_READ;
    case CONTROL_HTTP_WAIT:
    case CONTROL_HTTP_WORK:
        return PHASE_WAIT;
    case CONTROL_HTTP_SEND:
        return PHASE_SEND;
    case CONTROL_HTTP_OVER:
        break;
    }
    return PHASE_LINGER;
}

static int limit_of(const struct control_conn *c, enum phase phase)
{
    switch (phase) {
    case PHASE_READ:
        return CONTROL_CONN_READ;
    case PHASE_WAIT:
        return CONTROL_CONN_WAIT;
    case PHASE_SEND:
        return CONTROL_CONN_SEND;
    case PHASE_LINGER:
        return CONTROL_CONN_LINGER;
    case PHASE_NEW:
    case PHASE_IDLE:
        break;
    }
    return c->conns->draining ? CONTROL_CONN_IDLE_DRAINING : CONTROL_CONN_IDLE;
}

/* A deadline is set when a phase begins and does not move within it. */
static void set_deadline(struct control_conn *c)
{
    struct loop *loop = c->conns->loop;
    enum phase phase = phase_of(c);

    if (phase == c->phase && c->phase_of == c->http.served)
        return;
    c->phase = phase;
    c->phase_of = c->http.served;
    timer_set(&loop->timers, &c->deadline, loop->now.ms + limit_of(c, phase), late);
}

/* --- bytes ---------------------------------------------------------------------------------- */

/* Each returns true when something moved and there may be more to do. */
static bool fill(struct control_conn *c)
{
    size_t room;
    char *to = control_http_room(&c->http, &room);
    ssize_t n;

    if (room == 0)
        return false;
    do
        n = recv(c->io.fd, to, room, 0);
    while (n < 0 && errno == EINTR);
    if (n > 0) {
        control_http_take(&c->http, (size_t)n);
        return true;
    }
    if (n == 0 || errno != EAGAIN)
        shut(c);
    return false;
}

static bool flush(struct control_conn *c)
{
    struct iovec iov[2];
    struct msghdr message = { .msg_iov = iov };
    ssize_t n;

    message.msg_iovlen = (size_t)control_http_pending(&c->http, iov);
    do
        n = sendmsg(c->io.fd, &message, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n >= 0) {
        control_http_sent(&c->http, (size_t)n);
        return true;
    }
    if (errno != EAGAIN)
        shut(c);
    return false;
}

static bool linger(struct control_conn *c)
{
    char scrap[4096];
    ssize_t n;

    if (!c->said_all && shutdown(c->io.fd, SHUT_WR) < 0) {
        shut(c);
        return false;
    }
    c->said_all = true;
    do
        n = recv(c->io.fd, scrap, sizeof scrap, 0);
    while (n < 0 && errno == EINTR);
    if (n > 0)
        c->lingered += (size_t)n;
    if (n == 0 || (n < 0 && errno != EAGAIN) || c->lingered > LINGER_BYTES)
        shut(c);
    return n > 0;
}

/* What all connections hold for slow readers is bounded: a large answer past that is replaced by an
 * excuse. */
static void bound(struct control_conn *c)
{
    size_t held = 0;

    if (c->http.state != CONTROL_HTTP_SEND || c->http.sent > 0 || c->http.reply.body_n < HELD_FREE)
        return;
    for (const struct control_conn *at = c->conns->first; at != NULL; at = at->next)
        held += at->http.reply.body_n;
    if (held > HELD_MAX)
        control_http_refuse(&c->http, c->conns->api, 503, "Too many large answers wait to be read");
}

static bool turn(struct control_conn *c)
{
    control_http_run(&c->http, c->conns->api);
    bound(c);
    switch (c->http.state) {
    case CONTROL_HTTP_HEAD:
    case CONTROL_HTTP_BODY:
        return fill(c);
    case CONTROL_HTTP_CONTINUE:
    case CONTROL_HTTP_SEND:
        return flush(c);
    case CONTROL_HTTP_OVER:
        return linger(c);
    case CONTROL_HTTP_WAIT:
    case CONTROL_HTTP_WORK:
        break;
    }
    return false;
}

static void go_again(struct timer *t)
{
    go((struct control_conn *)((char *)t - offsetof(struct control_conn, again)));
}

/* What was put off before the connection was shut comes before its release. */
static void next_slice(struct loop_later *later)
{
    struct control_conn *c =
        (struct control_conn *)((char *)later - offsetof(struct control_conn, slice));

    c->working = false;
    if (c->io.fd >= 0)
        go(c);
}

/* Another slice at the end of the next turn: all others are heard in between. */
static void work_on(struct control_conn *c)
{
    if (!c->working)
        loop_defer(c->conns->loop, &c->slice, next_slice);
    c->working = true;
}

static void go(struct control_conn *c)
{
    struct loop *loop = c->conns->loop;

    c->conns->api->now = loop->now.real_s;
    c->conns->api->now_ns = (uint64_t)loop->now.us * 1000;
    for (int i = 0; i < TURNS_MAX; i++) {
        bool more = turn(c);
        if (c->io.fd < 0)
            return;
        set_deadline(c);
        if (c->http.state == CONTROL_HTTP_WORK)
            work_on(c);
        if (!more)
            return;
    }
    timer_set(&loop->timers, &c->again, loop->now.ms + 1, go_again);
}

static void ready(struct loop_io *io, uint32_t events)
{
    struct control_conn *c = of_io(io);

    if (events & (EPOLLHUP | EPOLLERR))
        shut(c);
    else
        go(c);
}

/* --- accept --------------------------------------------------------------------------------- */

static void name_unix(int fd, struct api_caller *caller)
{
    struct ucred peer = { 0 };
    socklen_t n = sizeof peer;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) == 0)
        snprintf(caller->text, sizeof caller->text, "uid=%u pid=%d", (unsigned)peer.uid,
                 (int)peer.pid);
    else
        snprintf(caller->text, sizeof caller->text, "unknown");
}

static void name_inet(const struct sockaddr_storage *from, struct api_caller *caller)
{
    const struct sockaddr_in *in = (const struct sockaddr_in *)from;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)from;
    char text[INET6_ADDRSTRLEN] = "?";

    if (from->ss_family == AF_INET6) {
        inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof text);
        snprintf(caller->text, sizeof caller->text, "[%s]:%u", text,
                 (unsigned)ntohs(in6->sin6_port));
        return;
    }
    inet_ntop(AF_INET, &in->sin_addr, text, sizeof text);
    snprintf(caller->text, sizeof caller->text, "%s:%u", text, (unsigned)ntohs(in->sin_port));
}

static void turn_away(int fd)
{
    static const char answer[] =
        "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

    (void)send(fd, answer, sizeof answer - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    close(fd);
}

static void begin(struct control_conns *conns, int fd, const struct api_caller *caller)
{
    struct control_conn *c =
        conns->open[caller->door] < CONTROL_CONN_MAX ? malloc(sizeof *c) : NULL;

    if (c == NULL) {
        log_rarely(LOG_LEVEL_WARN, "control: no room for a connection from %s", caller->text);
        turn_away(fd);
        return;
    }
    memset(c, 0, offsetof(struct control_conn, http));
    control_http_init(&c->http, caller);
    c->http.draining = conns->draining;
    c->io = (struct loop_io){ .fd = fd, .ready = ready };
    c->conns = conns;
    if (!loop_add(conns->loop, &c->io)) {
        turn_away(fd);
        free(c);
        return;
    }
    c->next = conns->first;
    c->link = &conns->first;
    if (c->next != NULL)
        c->next->link = &c->next;
    conns->first = c;
    conns->open[caller->door]++;
    set_deadline(c);
}

bool control_conn_accept(struct control_conns *conns, int listener, enum api_door door)
{
    for (;;) {
        struct sockaddr_storage from = { 0 };
        socklen_t n = sizeof from;
        struct api_caller caller = { .door = door };
        int fd = accept4(listener, (struct sockaddr *)&from, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd < 0 && (errno == EINTR || errno == ECONNABORTED))
            continue;
        if (fd < 0)
            return errno == EAGAIN;
        if (from.ss_family == AF_INET || from.ss_family == AF_INET6)
            name_inet(&from, &caller);
        else
            name_unix(fd, &caller);
        begin(conns, fd, &caller);
    }
}

/* --- what concerns all ---------------------------------------------------------------------- */

void control_conn_result(struct control_conns *conns, const struct channel_message *message)
{
    for (struct control_conn *c = conns->first, *next; c != NULL; c = next) {
        next = c->next;
        if (c->http.state != CONTROL_HTTP_WAIT || c->http.reply.waits != message->id ||
            (message->op == CHANNEL_EXPLAINED && c->http.reply.asked != CHANNEL_EXPLAIN))
            continue;
        control_http_result(&c->http, conns->api, message->number, message->text, message->text_n);
        go(c);
        return;
    }
}

void control_conn_drain(struct control_conns *conns)
{
    conns->draining = true;
    for (struct control_conn *c = conns->first; c != NULL; c = c->next) {
        c->http.draining = true;
        if (c->phase == PHASE_IDLE)
            c->phase = PHASE_NEW;
        set_deadline(c);
    }
}

void control_conn_end(struct control_conns *conns)
{
    static const char ending[] = "the gateway ends";

    for (struct control_conn *c = conns->first, *next; c != NULL; c = next) {
        next = c->next;
        enum channel_op asked = c->http.reply.asked;
        bool done = asked == CHANNEL_STOP || asked == CHANNEL_QUIT;
        c->http.draining = true;
        control_http_result(&c->http, conns->api, done ? 0 : 1, ending, sizeof ending - 1);
        go(c);
        shut(c);
    }
}

unsigned control_conn_count(const struct control_conns *conns)
{
    return conns->open[API_DOOR_CONTROL] + conns->open[API_DOOR_STATUS] +
           conns->open[API_DOOR_ADMIN];
}
