/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each direction reads into worker scratch memory and writes on at once; what the other side does
 * not take is kept and stops the reading. An end on one side is passed on when its bytes are
 * through; both ends, or a break, end the tunnel.
 */
#include "worker/body/tunnel.h"
#include "worker/conn.h"
#include "worker/upstream/upstream.h"
#include <errno.h>
#include <sys/socket.h>

enum flow { FLOW_IDLE, FLOW_MOVED, FLOW_ENDED, FLOW_BROKE };

/* Bytes that were read along with the heads. */
static bool hand_over(char *buf, uint32_t *from, uint32_t *to, struct outbuf *out,
                      struct transport *t)
{
    struct iovec iov = { buf + *from, *to - *from };

    if (*from == *to)
        return true;
    *from = *to;
    return outbuf_send(out, t, &iov, 1);
}

static enum flow move(struct stream *s, struct transport *from, struct outbuf *out,
                      struct transport *to, uint64_t *count)
{
    bool moved = false;

    for (;;) {
        if (!outbuf_flush(out, to))
            return FLOW_BROKE;
        if (!outbuf_empty(out))
            break;
        ssize_t got = transport_read(from, s->w->scratch, WORKER_SCRATCH);
        if (got == 0)
            return FLOW_ENDED;
        if (got < 0)
            return errno == EAGAIN ? (moved ? FLOW_MOVED : FLOW_IDLE) : FLOW_BROKE;
        moved = true;
        *count += (uint64_t)got;
        struct iovec iov = { s->w->scratch, (size_t)got };
        if (!outbuf_send(out, to, &iov, 1))
            return FLOW_BROKE;
        if (!conn_may_go_on(s->conn, (size_t)got))
            break;
    }
    return moved ? FLOW_MOVED : FLOW_IDLE;
}

/* One direction. False: the tunnel is over. */
static bool run_direction(struct stream *s, bool downstream, bool *ended, bool *moved)
{
    struct conn *c = s->conn;
    struct upconn *u = s->up;

    if (*ended)
        return outbuf_flush(downstream ? &c->out : &u->out, downstream ? &c->t : &u->t);
    enum flow f = downstream ? move(s, &u->t, &c->out, &c->t, &s->bytes_out)
                             : move(s, &c->t, &u->out, &u->t, &s->bytes_in);
    if (f == FLOW_BROKE)
        return false;
    *moved |= f == FLOW_MOVED;
    if (f != FLOW_ENDED)
        return true;
    *ended = true;
    struct transport *other = downstream ? &c->t : &u->t;
    if (other->tls)
        tls_end(other->tls);
    shutdown(other->io.fd, SHUT_WR);
    return true;
}

enum stage_result tunnel_pump(struct stream *s)
{
    struct conn *c = s->conn;
    struct upconn *u = s->up;
    bool moved = false;

    if (!hand_over(u->buf, &u->from, &u->to, &c->out, &c->t) ||
        !hand_over(c->buf, &c->from, &c->to, &u->out, &u->t))
        return STAGE_FAIL;
    upstream_give_buffer(u); /* a tunnel may be quiet for hours */
    if (u->expired) {
        s->cause = "tunnel was idle";
        return STAGE_FAIL;
    }
    if (!run_direction(s, true, &s->tunnel_down_ended, &moved) ||
        !run_direction(s, false, &s->tunnel_up_ended, &moved))
        return STAGE_FAIL;
    if (s->tunnel_down_ended && s->tunnel_up_ended && outbuf_empty(&c->out) &&
        outbuf_empty(&u->out))
        return STAGE_FAIL;
    if (moved || !s->tunnel_began)
        upstream_deadline(u, s->service->read_timeout);
    s->tunnel_began = true;
    return STAGE_WAIT;
}
