/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The connection of a probe. A kept one that says anything between two probes is closed; one that
 * breaks before the target said a byte of its answer was closed by it meanwhile, which is no
 * failure: the probe begins anew on a new connection, within the same deadline. Connections are
 * renewed after a minute all the same, since an old one says nothing about new ones.
 *
 * One that the target ends after its answer is reset, not closed: a thousand of them a second would
 * leave sixty thousand in TIME_WAIT, on one side or the other, and a close costs a seventh of a
 * probe.
 */
#include "worker/checker/probe.h"
#include "shm/assert.h"
#include "worker/base/dial.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNECTION_AGE = 60 * 1000, UNSAID = 60 * 1000 /* ms */, BUFFERS_KEPT = 16 };

/* --- the room ------------------------------------------------------------------------------- */

bool probe_room_make(struct probe_room *room, struct loop *loop)
{
    struct rlimit files;
    rlim_t n = getrlimit(RLIMIT_NOFILE, &files) == 0 ? files.rlim_cur : 1024;

    *room = (struct probe_room){ .loop = loop,
                                 .head = malloc(sizeof *room->head),
                                 .kept_max = (uint32_t)(n > 1 << 20 ? 1 << 19 : n / 2) };
    pool_init(&room->buffers, PROBE_BUFFER, BUFFERS_KEPT);
    return room->head != NULL;
}

void probe_room_end(struct probe_room *room)
{
    free(room->head);
    free(room->request);
    for (void *free_one = room->buffers.free, *next; free_one; free_one = next) {
        next = *(void **)free_one;
        free(free_one);
    }
}

/* --- causes --------------------------------------------------------------------------------- */

enum health_cause probe_cause(int error)
{
    switch (error) {
    case ECONNREFUSED:
    case ENOENT: /* of a Unix socket */
        return HEALTH_CAUSE_REFUSED;
    case ENETUNREACH:
    case EHOSTUNREACH:
    case ENETDOWN:
        return HEALTH_CAUSE_UNREACHABLE;
    case ETIMEDOUT:
        return HEALTH_CAUSE_CONNECT_TIMEOUT;
    case ECONNRESET:
    case EPIPE:
        return HEALTH_CAUSE_RESET;
    default:
        return HEALTH_CAUSE_CONNECT;
    }
}

static bool is_timeout(enum health_cause cause)
{
    return cause == HEALTH_CAUSE_CONNECT_TIMEOUT || cause == HEALTH_CAUSE_TLS_TIMEOUT ||
           cause == HEALTH_CAUSE_SEND_TIMEOUT || cause == HEALTH_CAUSE_READ_TIMEOUT;
}

enum probe_turn probe_fail(struct health_seen *seen, enum health_cause cause, const char *text)
{
    seen->event = is_timeout(cause) ? VERDICT_TIMEOUT : VERDICT_TCP_FAILURE;
    seen->cause = cause;
    seen->text = text;
    return PROBE_CLOSE;
}

enum probe_turn probe_broke(const struct probe *p, struct health_seen *seen, int error)
{
    if (error == EPROTO && p->t.tls)
        return probe_fail(seen, HEALTH_CAUSE_TLS, tls_error(p->t.tls));
    enum health_cause cause = probe_cause(error);
    return probe_fail(seen, cause, cause == HEALTH_CAUSE_CONNECT ? strerror(error) : NULL);
}

/* --- ending --------------------------------------------------------------------------------- */

static void hang_up(struct probe *p)
{
    if (p->t.io.fd >= 0)
        transport_close(&p->t, p->parted && !p->t.tls);
}

static void put_buffer(struct probe *p)
{
    if (p->buf)
        pool_give(&p->room->buffers, p->buf);
    p->buf = NULL;
}

static bool may_keep(const struct probe *p)
{
    return p->subject.keep && !p->t.hangup && p->room->kept < p->room->kept_max &&
           p->room->loop->now.ms - p->opened < CONNECTION_AGE;
}

static void rest(struct probe *p, bool keep)
{
    put_buffer(p);
    if (keep && may_keep(p)) {
        p->room->kept++;
        p->t.io.urgent = true;
    } else {
        hang_up(p);
    }
    timer_clear(&p->timer);
    p->phase = PROBE_REST;
}

static void give_up(struct probe *p)
{
    rest(p, false);
    p->done(p, NULL);
}

static void open_connection(struct probe *p);

static void finish(struct probe *p, struct health_seen *seen, enum probe_turn turn)
{
    if (p->reused && !p->heard && seen->event == VERDICT_TCP_FAILURE) {
        put_buffer(p);
        hang_up(p);
        open_connection(p);
        return;
    }
    int64_t took = p->room->loop->now.us - p->began;
    seen->source = VERDICT_ACTIVE;
    seen->took = took < 0 ? 0 : took > UINT32_MAX ? UINT32_MAX : (uint32_t)took;
    char text[HEALTH_LOG_TEXT] = ""; /* what it points to may go with the connection */
    if (seen->text)
        strncat(text, seen->text, sizeof text - 1);
    seen->text = text;
    rest(p, turn == PROBE_KEEP);
    p->done(p, seen);
}

static void leave_kept(struct probe *p)
{
    must(p->room->kept > 0);
    p->room->kept--;
    p->t.io.urgent = false;
}

void probe_end(struct probe *p)
{
    if (p->phase == PROBE_REST && p->t.io.fd >= 0)
        leave_kept(p);
    rest(p, false);
    timer_drop(&p->room->loop->timers, &p->timer);
}

/* --- on the way ----------------------------------------------------------------------------- */

/* True: it stands. */
static bool connected(struct probe *p, struct health_seen *seen)
{
    int error = 0;
    socklen_t n = sizeof error;

    if (getsockopt(p->t.io.fd, SOL_SOCKET, SO_ERROR, &error, &n) < 0)
        error = errno;
    if (error == 0)
        return true;
    probe_broke(p, seen, error);
    return false;
}

static enum tls_state shake(struct probe *p, struct health_seen *seen)
{
    enum tls_state state = tls_handshake(p->t.tls);

    if (state == TLS_DONE) {
        p->t.handshaking = false;
        p->t.readable = p->t.hangup || tls_pending(p->t.tls);
    } else if (state == TLS_FAILED) {
        probe_fail(seen, HEALTH_CAUSE_TLS, tls_error(p->t.tls));
    }
    return state;
}

/* What the kind makes of it; the kernel took a byte: the connection stands. */
static enum probe_turn step(struct probe *p, struct health_seen *seen)
{
    enum probe_turn turn = p->kind->step(p, seen);

    if (p->phase == PROBE_CONNECT && p->sent_n > 0)
        p->phase = PROBE_EXCHANGE;
    return turn;
}

static void go_on(struct probe *p)
{
    struct health_seen seen = { .event = VERDICT_TCP_FAILURE };

    if (p->phase == PROBE_CONNECT && !p->t.writable)
        return;
    if (p->phase == PROBE_CONNECT && !p->kind->speaks) {
        if (!connected(p, &seen)) {
            finish(p, &seen, PROBE_CLOSE);
            return;
        }
        p->phase = p->t.tls ? PROBE_HANDSHAKE : PROBE_EXCHANGE;
    }
    if (p->phase == PROBE_HANDSHAKE) {
        enum tls_state state = shake(p, &seen);
        if (state == TLS_FAILED)
            finish(p, &seen, PROBE_CLOSE);
        if (state != TLS_DONE)
            return;
        p->phase = PROBE_EXCHANGE;
    }
    enum probe_turn turn = step(p, &seen);
    if (turn == PROBE_UNABLE)
        give_up(p);
    else if (turn != PROBE_AGAIN)
        finish(p, &seen, turn);
}

static void event(struct loop_io *io, uint32_t events)
{
    struct probe *p = (struct probe *)io;

    transport_event(&p->t, events);
    if (p->phase != PROBE_REST) {
        go_on(p);
    } else if (events & ~(uint32_t)EPOLLOUT) { /* it has nothing to say now but that it ends */
        leave_kept(p);
        hang_up(p);
    }
}

static void expire(struct timer *t)
{
    struct probe *p = (struct probe *)((char *)t - offsetof(struct probe, timer));
    struct health_seen seen = { 0 };
    enum health_cause cause = p->phase == PROBE_CONNECT     ? HEALTH_CAUSE_CONNECT_TIMEOUT
                              : p->phase == PROBE_HANDSHAKE ? HEALTH_CAUSE_TLS_TIMEOUT
                              : p->sent                     ? HEALTH_CAUSE_READ_TIMEOUT
                                                            : HEALTH_CAUSE_SEND_TIMEOUT;

    must(p->phase != PROBE_REST);
    probe_fail(&seen, cause, NULL);
    finish(p, &seen, PROBE_CLOSE);
}

/* --- beginning ------------------------------------------------------------------------------ */

static bool is_ours(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOMEM || error == ENOBUFS ||
           error == EADDRNOTAVAIL;
}

/* Nothing of the request is out, nothing of a response came. */
static void begin_exchange(struct probe *p)
{
    p->sent = p->body = false;
    p->sent_n = p->from = p->to = p->looked = 0;
    p->taken = 0;
}

static void open_connection(struct probe *p)
{
    struct health_seen seen = { 0 };
    const struct probe_subject *s = &p->subject;

    begin_exchange(p);
    p->reused = p->heard = p->parted = false;
    p->phase = PROBE_CONNECT;
    p->t = (struct transport){ .io = { .fd = -1, .ready = event } };
    if (s->address.len == 0) {
        probe_fail(&seen, HEALTH_CAUSE_RESOLVE, NULL);
        finish(p, &seen, PROBE_CLOSE);
        return;
    }
    /* what is not TLS says all it has to say at once, and has nothing to hurry the kernel for */
    p->t.io.fd = dial(&s->address, p->kind->tls);
    if (p->t.io.fd < 0) {
        int why = errno;
        probe_broke(p, &seen, why);
        if (is_ours(why))
            give_up(p);
        else
            finish(p, &seen, PROBE_CLOSE);
        return;
    }
    p->opened = p->room->loop->now.ms;
    if (p->kind->tls) {
        p->t.tls = tls_connect(s->tls, p->t.io.fd, s->identity, (struct slice){ NULL, 0 });
        p->t.handshaking = true;
    }
    enum probe_turn turn = p->kind->tls && !p->t.tls ? PROBE_UNABLE : PROBE_AGAIN;
    if (p->kind->speaks) { /* on a near network the connection stands when connect() returns */
        p->t.writable = true;
        turn = step(p, &seen);
    }
    if (turn == PROBE_CLOSE)
        finish(p, &seen, turn);
    else if (turn == PROBE_UNABLE || !loop_add(p->room->loop, &p->t.io))
        give_up(p);
}

static int64_t allowance(const struct probe *p)
{
    int64_t ms = (int64_t)(p->subject.active->timeout * 1000);

    return ms > 0 ? ms : UNSAID;
}

void probe_start(struct probe *p)
{
    must(p->phase == PROBE_REST);
    p->began = p->room->loop->now.us;
    begin_exchange(p);
    timer_set(&p->room->loop->timers, &p->timer, p->room->loop->now.ms + allowance(p), expire);
    if (p->t.io.fd < 0) {
        open_connection(p);
        return;
    }
    leave_kept(p);
    p->phase = PROBE_EXCHANGE;
    p->reused = true;
    p->heard = p->parted = false;
    go_on(p);
}
