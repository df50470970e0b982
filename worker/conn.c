/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client connection is a small struct while it is idle: its buffer is taken when bytes arrive and
 * given back when a request ends, its stream likewise. Memory of a closed one is released at the
 * end of the loop's turn, since events of the same turn may still name it.
 *
 * All workers share one listening socket per address, woken one at a time (EPOLLEXCLUSIVE). With
 * several workers each wake-up takes one connection and puts its worker at the end of the kernel's
 * queue of waiters, so that connections spread evenly instead of piling up on the first one.
 */
#include "worker/conn.h"

#include "shm/assert.h"
#include "worker/base/log.h"
#include "worker/h1.h"
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CROWDED_MS = 2, STALE_US = 1500000 };
enum { ACCEPT_BATCH = 16, ACCEPT_PAUSE_MS = 100 };
enum { LINGER_MS = 30000, LINGER_IDLE_MS = 5000, LINGER_CHUNK = 16384 };
enum { TURN_BYTES = 512 * 1024, TURN_REQUEST = 4096 }; /* of one connection; a request counts as */

static void conn_event(struct loop_io *io, uint32_t events);

/* --- timer ---------------------------------------------------------------------------------- */

static void expire(struct timer *t)
{
    struct conn *c = (struct conn *)((char *)t - offsetof(struct conn, timer));

    c->expired = true;
    conn_drive(c);
}

void conn_deadline(struct conn *c, enum conn_wait what, int ms)
{
    c->wait = (uint8_t)what;
    c->expired = false;
    if (what == CONN_WAIT_NONE)
        timer_clear(&c->timer);
    else
        timer_set(&c->w->loop.timers, &c->timer, c->w->loop.now.ms + ms, expire);
}

/* --- the end -------------------------------------------------------------------------------- */

static void count_client(struct worker *w, int step)
{
    w->clients += (uint64_t)step;
    atomic_store_explicit(&w->row->clients, w->clients, memory_order_relaxed);
}

/* Closed: its memory goes. Else it is its turn again. */
static void come_back(struct loop_later *later)
{
    struct conn *c = (struct conn *)((char *)later - offsetof(struct conn, later));

    c->put_off = false;
    if (c->t.io.fd < 0)
        pool_give(&c->w->conns, c);
    else
        conn_drive(c);
}

static void put_off(struct conn *c)
{
    if (!c->put_off)
        loop_defer(&c->w->loop, &c->later, come_back);
    c->put_off = true;
}

bool conn_may_go_on(struct conn *c, size_t moved)
{
    c->turn_left = moved < c->turn_left ? c->turn_left - (uint32_t)moved : 0;
    if (c->turn_left == 0)
        put_off(c);
    return c->turn_left > 0;
}

void conn_give_buffer(struct conn *c)
{
    if (c->buf)
        pool_give(c->cap == c->w->heads.size ? &c->w->heads : &c->w->windows, c->buf);
    c->buf = NULL;
    c->cap = c->from = c->to = c->seen = 0;
}

static void close_conn(struct conn *c, bool reset)
{
    struct worker *w = c->w;

    must(c->t.io.fd >= 0);
    if (c->stream)
        stream_free(&c->stream);
    conn_give_buffer(c);
    outbuf_free(&c->out);
    transport_close(&c->t, reset);
    timer_drop(&w->loop.timers, &c->timer);
    if (c->next)
        c->next->prev = c->prev;
    if (c->prev)
        c->prev->next = c->next;
    else
        w->conns_first = c->next;
    stats_add(&w->stats->closed, 1);
    count_client(w, -1);
    stats_add(&w->stats->idle, (uint64_t)-1);
    worker_dismiss(w);
    put_off(c);
}

/* For a client that goes on sending, as long as it may take to see that nobody listens. */
static void await_more(struct conn *c)
{
    int left = LINGER_MS - (int)((uint32_t)c->w->loop.now.ms - c->lingers_since);

    conn_deadline(c, CONN_WAIT_LINGER, left < LINGER_IDLE_MS ? left : LINGER_IDLE_MS);
}

/* Reads and drops what still comes, so that the client can read our last words before a reset would
 * take them. */
static void linger(struct conn *c)
{
    char waste[LINGER_CHUNK];

    for (;;) {
        ssize_t got = transport_read(&c->t, waste, sizeof waste);
        if (got < 0 && errno == EAGAIN && !c->expired)
            return;
        if (got <= 0 || c->expired) {
            close_conn(c, false);
            return;
        }
        await_more(c);
        if (!conn_may_go_on(c, (size_t)got))
            return;
    }
}

/* Ends a connection that we decided to end: nothing more is sent, the client's bytes are awaited
 * for a while. */
static void begin_linger(struct conn *c)
{
    if (c->t.tls)
        tls_end(c->t.tls);
    shutdown(c->t.io.fd, SHUT_WR);
    if (c->stream)
        stream_free(&c->stream);
    conn_give_buffer(c);
    c->lingers_since = (uint32_t)c->w->loop.now.ms;
    await_more(c);
    linger(c);
}

/* --- driving -------------------------------------------------------------------------------- */

static bool handshake(struct conn *c)
{
    switch (tls_handshake(c->t.tls)) {
    case TLS_DONE:
        c->t.handshaking = false;
        c->t.readable = c->t.hangup || tls_pending(c->t.tls);
        stats_add(&c->w->stats->tls_handshakes, 1);
        if (tls_resumed(c->t.tls))
            stats_add(&c->w->stats->tls_resumed, 1);
        return true;
    case TLS_AGAIN:
        if (!c->expired)
            return false;
        break;
    case TLS_FAILED:
        break;
    }
    stats_add(&c->w->stats->tls_failures, 1);
    log_rarely(LOG_LEVEL_INFO, "TLS handshake with a client failed: %s",
               c->expired ? "timed out" : tls_error(c->t.tls));
    if (!c->expired && tls_plain_http(c->t.tls))
        h1_refuse_plain(c);
    close_conn(c, false);
    return false;
}

/* Nothing is under way: waits for the next request with as little memory as possible. */
static void go_idle(struct conn *c)
{
    conn_give_buffer(c);
    if (c->wait != CONN_WAIT_IDLE)
        conn_deadline(c, CONN_WAIT_IDLE,
                      c->requests ? c->w->conf->keepalive_timeout
                                  : c->w->conf->client_header_timeout);
}

/* Makes room for reading behind what is there. */
static bool take_buffer(struct conn *c)
{
    if (!c->buf) {
        c->buf = pool_take(&c->w->heads);
        c->cap = (uint32_t)c->w->heads.size;
        c->from = c->to = c->seen = 0;
        return c->buf != NULL;
    }
    if (c->from > 0) {
        memmove(c->buf, c->buf + c->from, c->to - c->from);
        c->to -= c->from;
        c->from = 0;
    }
    return true;
}

/* The first bytes of a request; false: none yet, or the connection is closed. */
static bool begin(struct conn *c)
{
    if (c->expired) {
        close_conn(c, false);
        return false;
    }
    if (c->from == c->to) {
        if (!c->t.readable) {
            go_idle(c);
            return false;
        }
        c->from = c->to = 0;
        if (!take_buffer(c)) {
            stats_add(&c->w->stats->out_of_memory, 1);
            log_rarely(LOG_LEVEL_ERROR, "no memory for a request: connection closed");
            close_conn(c, true);
            return false;
        }
        ssize_t got = transport_read(&c->t, c->buf, c->cap);
        if (got > 0) {
            c->to = (uint32_t)got;
        } else if (got < 0 && errno == EAGAIN) {
            go_idle(c);
            return false;
        } else {
            close_conn(c, false);
            return false;
        }
    } else if (!take_buffer(c)) {
        close_conn(c, true);
        return false;
    }
    conn_deadline(c, CONN_WAIT_NONE, 0);
    c->stream = h1_begin(c);
    if (!c->stream) {
        stats_add(&c->w->stats->out_of_memory, 1);
        log_rarely(LOG_LEVEL_ERROR, "no memory for a request: connection closed");
        close_conn(c, true);
    }
    return c->stream != NULL;
}

/* The rest of a request's body that nobody wanted. False: more has to come, or the connection is
 * gone. */
static bool drain(struct conn *c)
{
    struct slice run;

    for (;;) {
        switch (c->stream->carrier->read_body(c->stream, &run)) {
        case INTAKE_RUN:
            if (conn_may_go_on(c, run.n))
                continue;
            c->draining = true;
            return false;
        case INTAKE_END:
            c->draining = false;
            return true;
        case INTAKE_WAIT:
            c->draining = true;
            return false;
        case INTAKE_GONE:
            close_conn(c, false);
            return false;
        default: /* the answer may still be on its way */
            begin_linger(c);
            return false;
        }
    }
}

/* After a request. True: the connection goes on with the next one. */
static bool finish(struct conn *c)
{
    struct stream *s = c->stream;

    if (s->broken) {
        close_conn(c, s->cut);
        return false;
    }
    if (c->closing) {
        if (c->client_closes && s->intake.done && !c->t.tls)
            close_conn(c, false);
        else
            begin_linger(c);
        return false;
    }
    if (!s->intake.done && !drain(c))
        return false;
    h1_end(c);
    stream_free(&c->stream);
    return true;
}

void conn_drive(struct conn *c)
{
    c->turn_left = TURN_BYTES;
    if (c->wait == CONN_WAIT_LINGER) {
        linger(c);
        return;
    }
    if (c->t.handshaking && !handshake(c))
        return;
    for (;;) {
        if (!c->stream && !begin(c))
            return;
        if (!c->stream->ended && !stream_run(c->stream))
            return;
        if (!finish(c) || !conn_may_go_on(c, TURN_REQUEST))
            return;
    }
}

static void conn_event(struct loop_io *io, uint32_t events)
{
    struct conn *c = (struct conn *)io;

    transport_event(&c->t, events);
    if (c->t.readable && c->wait == CONN_WAIT_BODY)
        h1_readable(c);
    conn_drive(c);
}

/* --- the beginning -------------------------------------------------------------------------- */

static void keep_address(struct conn *c, const struct sockaddr_storage *from)
{
    if (from->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)from;
        static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

        memcpy(c->peer_ip, mapped, 12);
        memcpy(c->peer_ip + 12, &in->sin_addr, 4);
        c->peer_port = ntohs(in->sin_port);
    } else if (from->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)from;

        memcpy(c->peer_ip, &in6->sin6_addr, 16);
        c->peer_port = ntohs(in6->sin6_port);
    } else {
        memset(c->peer_ip, 0, 16); /* a Unix socket */
    }
}

static struct conn *make_conn(struct listener *l, int fd, const struct sockaddr_storage *from)
{
    struct worker *w = l->w;
    struct conn *c = pool_take(&w->conns);

    if (!c)
        return NULL;
    memset(c, 0, sizeof *c);
    c->t.io = (struct loop_io){ .fd = fd, .ready = conn_event };
    c->t.writable = true;
    c->w = w;
    c->listener = (uint8_t)(l - w->listeners);
    keep_address(c, from);
    if (l->conf->ssl) {
        c->t.tls = tls_accept(w->tls, fd);
        c->t.handshaking = true;
        if (!c->t.tls) {
            pool_give(&w->conns, c);
            return NULL;
        }
    }
    if (!loop_add(&w->loop, &c->t.io)) {
        tls_close(&c->t.tls);
        pool_give(&w->conns, c);
        return NULL;
    }
    c->next = w->conns_first;
    if (c->next)
        c->next->prev = c;
    w->conns_first = c;
    stats_add(&w->stats->idle, 1);
    count_client(w, 1);
    conn_deadline(c, l->conf->ssl ? CONN_WAIT_HANDSHAKE : CONN_WAIT_IDLE,
                  w->conf->client_header_timeout);
    return c;
}

static void accept_failed(struct worker *w)
{
    stats_add(&w->stats->accept_failures, 1);
    if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
        int why = errno;
        log_rarely(LOG_LEVEL_ERROR, "cannot accept a connection: %s; trying again in %d ms",
                   strerror(why), ACCEPT_PAUSE_MS);
        conn_pause(w, ACCEPT_PAUSE_MS);
    }
}

/* One connection; false: none waits, or none can be taken. */
static bool accept_one(struct listener *l)
{
    struct worker *w = l->w;
    struct sockaddr_storage from;
    socklen_t from_n = sizeof from;

    if (!worker_admit(w, true)) {
        log_rarely(LOG_LEVEL_WARN, "worker_connections (%d) are in use: accepting pauses",
                   w->conf->worker_connections);
        conn_pause(w, ACCEPT_PAUSE_MS);
        return false;
    }
    from.ss_family = AF_UNSPEC;
    int fd = accept4(l->io.fd, (struct sockaddr *)&from, &from_n, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
        worker_dismiss(w);
        if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
            accept_failed(w);
        return false;
    }
    if (!make_conn(l, fd, &from)) {
        log_rarely(LOG_LEVEL_ERROR, "no memory for a connection: closed");
        stats_add(&w->stats->out_of_memory, 1);
        close(fd);
        worker_dismiss(w);
        return true;
    }
    stats_add(&w->stats->accepted, 1);
    return true;
}

/* Where the kernel has no memory for it, it is tried again. */
static void watch(struct listener *l)
{
    l->watched = loop_watch(&l->w->loop, &l->io, EPOLLIN | EPOLLEXCLUSIVE);
    if (!l->watched)
        l->w->resume_at = l->w->loop.now.ms + ACCEPT_PAUSE_MS;
}

/* True when this worker holds clearly more clients than the mean of those that serve beside it. A
 * sibling that does not turn its loop does not count, so that nobody waits for a stopped one. */
static bool crowded(const struct worker *w)
{
    const struct board_shm *board = board_of(&w->heritage->board);
    uint64_t sum = 0, n = 0, stale = (uint64_t)(w->loop.now.us - STALE_US) * 1000;

    for (int i = 0; i < BOARD_SLOTS; i++) {
        const struct board_row_shm *row = &board->rows[i];
        if (atomic_load_explicit(&row->state, memory_order_relaxed) != BOARD_RUNNING ||
            atomic_load_explicit(&row->role, memory_order_relaxed) != ROLE_WORKER ||
            atomic_load_explicit(&row->generation, memory_order_relaxed) !=
                w->heritage->generation ||
            atomic_load_explicit(&row->beat, memory_order_relaxed) < stale)
            continue;
        sum += atomic_load_explicit(&row->clients, memory_order_relaxed);
        n++;
    }
    return w->clients * n * 20 > sum * 21 + 20 * n;
}

/* Alone, a worker takes what there is. Beside others it takes one connection, then goes to the end
 * of the kernel's queue of waiters; if it has more than its share it stays away from the queue for
 * a moment. */
static void accept_event(struct loop_io *io, uint32_t events)
{
    struct listener *l = (struct listener *)io;
    struct worker *w = l->w;
    bool alone = conf_worker_count(w->conf) == 1;

    (void)events;
    for (int i = 0; i < (alone ? ACCEPT_BATCH : 1) && l->watched; i++)
        if (!accept_one(l))
            break;
    if (alone || !l->watched)
        return;
    conn_unlisten(l);
    if (crowded(w))
        conn_pause(w, CROWDED_MS);
    else
        watch(l);
}

void conn_listen(struct worker *w, struct listener *l, int fd, const struct conf_listen *conf)
{
    *l = (struct listener){ .io = { .fd = fd, .ready = accept_event }, .w = w, .conf = conf };
}

void conn_unlisten(struct listener *l)
{
    if (l->watched)
        loop_unwatch(&l->w->loop, &l->io);
    l->watched = false;
}

void conn_pause(struct worker *w, int ms)
{
    for (size_t i = 0; i < w->conf->proxy_listen_n; i++)
        conn_unlisten(&w->listeners[i]);
    w->resume_at = w->loop.now.ms + ms;
}

void conn_resume(struct worker *w)
{
    w->resume_at = 0;
    for (size_t i = 0; i < w->conf->proxy_listen_n; i++) {
        struct listener *l = &w->listeners[i];
        if (!l->watched)
            watch(l);
    }
}

void conn_retire(struct worker *w)
{
    int patience = w->conf->shutdown_timeout - 1000;

    for (size_t i = 0; i < w->conf->proxy_listen_n; i++) {
        conn_unlisten(&w->listeners[i]);
        close(w->listeners[i].io.fd); /* an address that a reload removed is free from here on */
        w->listeners[i].io.fd = -1;
    }
    w->resume_at = 0;
    for (struct conn *c = w->conns_first; c; c = c->next)
        if (c->wait == CONN_WAIT_IDLE && c->timer.due > w->loop.now.ms + patience)
            conn_deadline(c, CONN_WAIT_IDLE, patience > 0 ? patience : 0);
}
