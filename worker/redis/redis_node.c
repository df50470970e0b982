/* SPDX-License-Identifier: Apache-2.0 */
/* See redis_node.h. Commands are serialized by hiredis, bytes go over worker/tls/transport.h. */
#include "worker/redis/redis_node.h"

#include "conf/fnv.h"
#include "shm/assert.h"
#include "worker/base/answer.h"
#include "worker/base/dial.h"
#include "worker/base/log.h"
#include "worker/context.h"
#include <errno.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { BACKOFF_MS = 100, BACKOFF_MAX_MS = 5000, NAME_MS = 50, READ = 16384 };

static void run(struct loop_later *later);

static void put_off(struct redis_node *n)
{
    if (!n->put_off)
        loop_defer(&n->w->loop, &n->later, run);
    n->put_off = true;
}

/* --- queues --------------------------------------------------------------------------------- */

static void push(struct redis_queue *queue, struct redis_question *q)
{
    q->next = NULL;
    *queue->end = q;
    queue->end = &q->next;
    queue->n++;
}

static struct redis_question *pop(struct redis_queue *queue)
{
    struct redis_question *q = queue->first;

    if (!q)
        return NULL;
    queue->first = q->next;
    queue->n--;
    if (!queue->first)
        queue->end = &queue->first;
    return q;
}

/* --- deadlines ------------------------------------------------------------------------------ */

static void expire(struct timer *t);

static int64_t sooner(int64_t a, int64_t b)
{
    return b < a ? b : a;
}

static void watch(struct redis_node *n)
{
    int64_t due = INT64_MAX;

    if (n->state == REDIS_CONNECTING || n->state == REDIS_GREETING)
        due = n->connect_due;
    if (n->sent.first)
        due = sooner(due, n->sent.first->due);
    if (n->waiting.first) /* one that is closed waits for its name */
        due = sooner(due, n->state == REDIS_CLOSED ? n->w->loop.now.ms + NAME_MS
                                                   : n->waiting.first->due);
    if (due == INT64_MAX)
        timer_clear(&n->timer);
    else
        timer_set(&n->w->loop.timers, &n->timer, due, expire);
}

/* --- the end -------------------------------------------------------------------------------- */

void redis_node_close(struct redis_node *n)
{
    if (n->state == REDIS_CLOSED)
        return;
    n->state = REDIS_CLOSED;
    transport_close(&n->t, false);
    outbuf_free(&n->out);
    redis_reply_close(&n->reader);
    n->batch_n = 0;
    worker_dismiss(n->w);
}

static void fail(struct redis_node *n, const char *why)
{
    struct redis_queue sent = n->sent, waiting = n->waiting;
    struct redis_question *q;
    int64_t now = n->w->loop.now.ms;

    if (!n->down_since) {
        log_write(LOG_LEVEL_ERROR, "redis %s: %s%s", n->text, why,
                  n->greeting == REDIS_GREET_MASTER
                      ? ""
                      : "; until it answers, what is fault_tolerant is counted in shared memory");
        n->down_since = now;
    } else {
        log_write(LOG_LEVEL_DEBUG, "redis %s: %s", n->text, why);
    }
    redis_node_close(n);
    n->backoff = n->backoff ? n->backoff * 2 : BACKOFF_MS;
    if (n->backoff > BACKOFF_MAX_MS)
        n->backoff = BACKOFF_MAX_MS;
    n->retry_at = now + n->backoff;
    n->tries++;
    n->sent = n->waiting = (struct redis_queue){ 0 };
    n->sent.end = &n->sent.first;
    n->waiting.end = &n->waiting.first;
    while (sent.n > 0 && (q = pop(&sent)))
        n->ops->answered(n, q, NULL);
    while (waiting.n > 0 && (q = pop(&waiting)))
        n->ops->answered(n, q, NULL);
    watch(n);
    if (n->ops->failed)
        n->ops->failed(n);
}

static void expire(struct timer *t)
{
    struct redis_node *n = (struct redis_node *)((char *)t - offsetof(struct redis_node, timer));
    const struct redis_question *sent = n->sent.first, *waiting = n->waiting.first;
    int64_t now = n->w->loop.now.ms;
    bool early = n->state == REDIS_CONNECTING || n->state == REDIS_GREETING;

    if ((early && n->connect_due <= now) || (sent && sent->due <= now) ||
        (waiting && waiting->due <= now)) {
        snprintf(n->why, sizeof n->why, "%s within %d ms",
                 n->state == REDIS_OPEN            ? "no answer"
                 : n->state == REDIS_CONNECTING    ? "no connection"
                 : n->state == REDIS_GREETING      ? "no answer to the first words"
                 : n->greeting == REDIS_GREET_ROLE ? "no Sentinel named it"
                                                   : "its name is not known",
                 n->conf->timeout);
        fail(n, n->why);
        return;
    }
    if (waiting && n->state == REDIS_CLOSED)
        put_off(n);
    watch(n);
}

void redis_node_doom(struct redis_node *n, const char *why)
{
    if (!n->doom) {
        snprintf(n->why, sizeof n->why, "%s", why);
        n->doom = n->why;
    }
    put_off(n);
}

/* --- commands ------------------------------------------------------------------------------- */

static bool reserve(struct redis_node *n, size_t more)
{
    size_t cap = n->batch_cap ? n->batch_cap : 4096;

    while (cap < n->batch_n + more)
        cap *= 2;
    if (cap == n->batch_cap)
        return true;
    char *p = cap <= REDIS_OUT_MAX ? realloc(n->batch, cap) : NULL;
    if (!p)
        return false;
    n->batch = p;
    n->batch_cap = cap;
    return true;
}

static bool put(struct redis_node *n, const struct slice *args, size_t args_n)
{
    const char *argv[REDIS_ARGUMENTS];
    size_t lengths[REDIS_ARGUMENTS];
    char *text = NULL;

    must(args_n <= REDIS_ARGUMENTS);
    for (size_t i = 0; i < args_n; i++) {
        argv[i] = args[i].n ? args[i].p : "";
        lengths[i] = args[i].n;
    }
    int made = redisFormatCommandArgv(&text, (int)args_n, argv, lengths);
    if (made < 0)
        return false;
    bool room = reserve(n, (size_t)made);
    if (room)
        memcpy(n->batch + n->batch_n, text, (size_t)made);
    if (room)
        n->batch_n += (size_t)made;
    redisFreeCommand(text);
    return room;
}

/* False: no memory. */
static bool put_question(struct redis_node *n, const struct redis_question *q)
{
    struct slice args[REDIS_ARGUMENTS], asking = SLICE("ASKING");
    size_t k = 0;

    must(q->args_n + 2 <= REDIS_ARGUMENTS);
    if (q->script) {
        args[k++] = q->whole ? SLICE("EVAL") : SLICE("EVALSHA");
        args[k++] = q->whole ? q->script->text : slice_of(q->script->sha, 40);
    }
    memcpy(args + k, q->args, q->args_n * sizeof *args);
    return (!q->asking || put(n, &asking, 1)) && put(n, args, k + q->args_n);
}

static bool put_auth(struct redis_node *n, struct conf_text user, struct conf_text password)
{
    struct slice args[3] = { SLICE("AUTH") };
    size_t k = 1;

    if (user.n == 0 && password.n == 0)
        return true;
    if (user.n)
        args[k++] = slice_of(user.s, user.n);
    args[k++] = slice_of(password.s, password.n);
    n->greetings++;
    return put(n, args, k);
}

static bool put_select(struct redis_node *n)
{
    char number[16];
    struct slice args[2] = { SLICE("SELECT"), { number, 0 } };

    if (n->conf->database == 0)
        return true;
    args[1].n = (size_t)snprintf(number, sizeof number, "%d", n->conf->database);
    n->greetings++;
    return put(n, args, 2);
}

static bool put_last_greeting(struct redis_node *n)
{
    struct slice master = slice_of(n->conf->sentinel_master.s, n->conf->sentinel_master.n);
    const struct {
        struct slice args[3];
        size_t n;
    } words[] = {
        [REDIS_GREET_PING] = { { SLICE("PING") }, 1 },
        [REDIS_GREET_ROLE] = { { SLICE("ROLE") }, 1 },
        [REDIS_GREET_SLOTS] = { { SLICE("CLUSTER"), SLICE("SLOTS") }, 2 },
        [REDIS_GREET_MASTER] = { { SLICE("SENTINEL"), SLICE("GET-MASTER-ADDR-BY-NAME"), master },
                                 3 },
    };

    n->greetings++;
    return put(n, words[n->greeting].args, words[n->greeting].n);
}

static bool greet(struct redis_node *n)
{
    const struct conf_redis *c = n->conf;

    n->greetings = 0;
    n->batch_n = 0;
    n->state = REDIS_GREETING;
    if (n->greeting == REDIS_GREET_MASTER)
        return put_auth(n, c->sentinel_username, c->sentinel_password) && put_last_greeting(n);
    return put_auth(n, c->username, c->password) && put_select(n) && put_last_greeting(n);
}

/* --- connecting ----------------------------------------------------------------------------- */

static bool resolve(struct redis_node *n, struct conf_address *out, char text[64])
{
    struct conf_text host = { n->host, strlen(n->host) };
    struct answer *answer = malloc(sizeof *answer);
    bool known = answer && answer_read(&n->w->heritage->roster, host, answer, NULL) && answer->n;

    if (known)
        answer_address(&answer->places[n->tries % answer->n], n->port, out, text);
    free(answer);
    return known;
}

static void event(struct loop_io *io, uint32_t events);

static bool start_tls(struct redis_node *n)
{
    const struct conf_redis *c = n->conf;
    uint64_t identity = fnv_text(FNV_BEGIN, n->text);

    if (!c->ssl)
        return true;
    if (!n->tls) {
        struct conf_text name = { n->host, strlen(n->host) };
        n->service = (struct conf_service){ .name = { n->text, strlen(n->text) },
                                            .host = c->server_name.n ? c->server_name : name,
                                            .tls_verify = c->ssl_verify,
                                            .ca_certificates = c->ca_certificates,
                                            .authorities = c->authorities };
        n->tls = tls_client_make(&n->service);
    }
    n->t.tls = n->tls ? tls_connect(n->tls, n->t.io.fd, identity, (struct slice){ NULL, 0 }) : NULL;
    n->t.handshaking = true;
    return n->t.tls != NULL;
}

/* NULL: it is on its way; else why not. */
static const char *begin(struct redis_node *n, const struct conf_address *to)
{
    if (!worker_admit(n->w, false))
        return "worker_connections are in use";
    n->t = (struct transport){ .io = { .fd = dial(to, true), .ready = event }, .writable = true };
    if (n->t.io.fd < 0) {
        worker_dismiss(n->w);
        return strerror(errno);
    }
    n->state = REDIS_CONNECTING;
    n->connect_due = n->w->loop.now.ms + n->conf->timeout;
    if (n->greeting == REDIS_GREET_MASTER) /* so that the next Sentinel has some time, too */
        n->connect_due -= n->conf->timeout - n->conf->timeout / (int)(n->conf->nodes_n + 1);
    n->reader = redis_reply_open();
    if (!n->reader || !loop_add(&n->w->loop, &n->t.io))
        return "no memory for a connection";
    if (!start_tls(n))
        return "TLS cannot be set up";
    return n->t.tls || greet(n) ? NULL : "no memory for a connection";
}

static void connect_node(struct redis_node *n)
{
    char text[64];
    struct conf_address to = n->place;

    if (to.len == 0 && (!n->host[0] || !resolve(n, &to, text))) {
        n->ops->lost(n);
        watch(n); /* somebody may come to know */
        return;
    }
    const char *why = begin(n, &to);
    if (why)
        fail(n, why);
}

/* --- talking -------------------------------------------------------------------------------- */

static const char *flush(struct redis_node *n)
{
    struct iovec iov = { n->batch, n->batch_n };

    n->batch_n = 0;
    if (outbuf_size(&n->out) + iov.iov_len > REDIS_OUT_MAX)
        return "it takes nothing any more";
    bool sent = iov.iov_len ? outbuf_send(&n->out, &n->t, &iov, 1) : outbuf_flush(&n->out, &n->t);
    return sent ? NULL : strerror(errno);
}

/* A turn's questions. */
static const char *send_waiting(struct redis_node *n)
{
    struct redis_question *q;

    while (n->state == REDIS_OPEN && n->waiting.first) {
        if (!put_question(n, n->waiting.first))
            return "too much waits to be sent";
        q = pop(&n->waiting);
        push(&n->sent, q);
    }
    return flush(n);
}

static const char *hear_greeting(struct redis_node *n, const struct redis_reply *reply)
{
    char text[REDIS_TEXT_ROOM];

    if (--n->greetings > 0) { /* AUTH, SELECT */
        if (reply->kind == REDIS_STATUS)
            return NULL;
        snprintf(n->why, sizeof n->why, "it refuses us: %s", redis_answer_text(reply, text));
        return n->why;
    }
    if (redis_answer_error(reply) == REDIS_ERROR_LOST) {
        snprintf(n->why, sizeof n->why, "it is not ready: %s", redis_answer_text(reply, text));
        return n->why;
    }
    const char *why = n->ops->greeted(n, reply);
    if (!why && n->state == REDIS_GREETING)
        n->state = REDIS_OPEN;
    return why;
}

static const char *hear_answer(struct redis_node *n, const struct redis_reply *reply)
{
    struct redis_question *q = n->sent.first;

    if (!q)
        return "it talks without being asked";
    if (q->asking) { /* of ASKING itself */
        q->asking = false;
        return NULL;
    }
    (void)pop(&n->sent);
    if (redis_answer_error(reply) != REDIS_ERROR_LOST) {
        if (n->down_since)
            log_write(LOG_LEVEL_NOTICE, "redis %s answers again, after %lld ms", n->text,
                      (long long)(n->w->loop.now.ms - n->down_since));
        n->down_since = 0;
        n->backoff = 0;
    }
    n->ops->answered(n, q, reply);
    return NULL;
}

/* All replies that have come. */
static const char *hear_all(struct redis_node *n)
{
    const struct redis_reply *reply;
    const char *why = NULL;

    while (!why && n->state != REDIS_CLOSED) {
        enum redis_reply_result r = redis_reply_next(n->reader, &reply);
        if (r == REDIS_REPLY_MORE)
            return NULL;
        if (r == REDIS_REPLY_BROKEN)
            return "what it says is no reply";
        why = n->state == REDIS_GREETING ? hear_greeting(n, reply) : hear_answer(n, reply);
    }
    return why;
}

static const char *ended(struct redis_node *n, ssize_t got)
{
    int why = errno;

    if (got < 0 && why != ECONNABORTED)
        return n->t.tls && why == EPROTO ? tls_error(n->t.tls) : strerror(why);
    if (n->state == REDIS_OPEN && !n->sent.first && !n->waiting.first && !n->down_since) {
        redis_node_close(n); /* it may, when nothing is asked, and it is known to answer */
        return NULL;
    }
    return "it closed the connection";
}

static const char *hear(struct redis_node *n)
{
    char buf[READ];

    while (n->state != REDIS_CLOSED) {
        ssize_t got = transport_read(&n->t, buf, sizeof buf);
        if (got < 0 && errno == EAGAIN)
            return NULL;
        if (got <= 0)
            return ended(n, got);
        if (!redis_reply_feed(n->reader, buf, (size_t)got))
            return "its reply is too large";
        const char *why = hear_all(n);
        if (why)
            return why;
    }
    return NULL;
}

static const char *shake_hands(struct redis_node *n)
{
    enum tls_state state = tls_handshake(n->t.tls);

    if (state == TLS_AGAIN)
        return NULL;
    if (state == TLS_FAILED) {
        snprintf(n->why, sizeof n->why, "TLS: %s", tls_error(n->t.tls));
        return n->why;
    }
    n->t.handshaking = false;
    n->t.readable = n->t.hangup || tls_pending(n->t.tls);
    return greet(n) ? flush(n) : "no memory for a connection";
}

static void drive(struct redis_node *n)
{
    const char *why = NULL;

    if (n->t.handshaking)
        why = shake_hands(n);
    if (!why && !n->t.handshaking)
        why = hear(n);
    if (!why && n->state != REDIS_CLOSED && !n->t.handshaking)
        why = send_waiting(n);
    if (why)
        fail(n, why);
    else
        watch(n);
}

static void event(struct loop_io *io, uint32_t events)
{
    struct redis_node *n = (struct redis_node *)io;

    transport_event(&n->t, events);
    drive(n);
}

/* The end of a turn in which something was asked. */
static void run(struct loop_later *later)
{
    struct redis_node *n =
        (struct redis_node *)((char *)later - offsetof(struct redis_node, later));
    const char *doom = n->doom;

    n->put_off = false;
    n->doom = NULL;
    if (doom)
        fail(n, doom);
    else if (n->state == REDIS_CLOSED)
        connect_node(n);
    if (n->state != REDIS_CLOSED)
        drive(n);
}

/* --- for its owner -------------------------------------------------------------------------- */

void redis_node_init(struct redis_node *n, struct worker *w, const struct conf_redis *conf)
{
    memset(n, 0, sizeof *n);
    n->w = w;
    n->conf = conf;
    n->t.io.fd = -1;
    n->waiting.end = &n->waiting.first;
    n->sent.end = &n->sent.first;
}

void redis_node_place(struct redis_node *n, struct slice host, int port,
                      const struct conf_address *place)
{
    char text[ENDPOINT_TEXT];
    struct conf_target target = { .port = port };
    struct conf_address found;

    must(n->state == REDIS_CLOSED && host.n <= REDIS_HOST_MAX);
    tls_client_free(&n->tls);
    memset(n->host, 0, sizeof n->host);
    if (host.n)
        memcpy(n->host, host.p, host.n);
    n->port = port;
    n->place = place ? *place : (struct conf_address){ 0 };
    target.target = target.host = (struct conf_text){ n->host, host.n };
    if (!place && endpoint_place(&target, &found, text))
        n->place = found;
    n->place.text = (struct conf_text){ n->text, 0 };
    if (place)
        snprintf(n->text, sizeof n->text, "%s", place->text.s);
    else
        snprintf(n->text, sizeof n->text, strchr(n->host, ':') ? "[%s]:%d" : "%s:%d", n->host,
                 port);
}

bool redis_node_ready(struct redis_node *n)
{
    if (n->waiting.n + n->sent.n >= REDIS_QUESTIONS_MAX || n->doom)
        return false;
    if (!n->down_since)
        return true;
    if (n->state == REDIS_CLOSED && n->w->loop.now.ms >= n->retry_at)
        put_off(n);
    return n->state == REDIS_OPEN && !n->sent.first && !n->waiting.first;
}

void redis_node_ask(struct redis_node *n, struct redis_question *q)
{
    push(&n->waiting, q);
    put_off(n);
}

void redis_node_hurry(struct redis_node *n)
{
    const char *why = n->state == REDIS_OPEN && !n->doom ? send_waiting(n) : NULL;

    if (why) /* deadlines are seen to at the end of the turn */
        redis_node_doom(n, why);
}

void redis_node_wake(struct redis_node *n)
{
    put_off(n);
}
