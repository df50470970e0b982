/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stream keeps its connection, which drives it, but speaks to nobody: another carrier takes the
 * place of the connection's own. The socket is closed when the fill has ended.
 */
#include "worker/caching/detached.h"

#include "worker/conn.h"
#include "worker/nobody.h"

/* Another try is only made when the body was all there: detached_begin(). */
static bool rewind_body(struct stream *s)
{
    return s->left->rewind_body(s);
}

static void wake(struct stream *s)
{
    s->left->wake(s);
}

static bool may_go_on(struct stream *s, size_t moved)
{
    return s->left->may_go_on(s, moved);
}

static const struct carrier detached_carrier = {
    .read_head = nobody_read_head,
    .read_body = nobody_read_body,
    .rewind_body = rewind_body,
    .send_interim = nobody_send_interim,
    .send = nobody_send,
    .flushed = nobody_flushed,
    .abandoned = nobody_abandoned,
    .wake = wake,
    .may_go_on = may_go_on,
};

bool detached_begin(struct stream *s)
{
    bool wanted = s->fill || (s->ticket && !s->head_sent);

    if (!wanted || !s->up || !s->intake.done || s->left)
        return false;
    s->left = s->carrier;
    s->carrier = &detached_carrier;
    s->broken = true; /* the connection ends with it */
    if (!s->cause)
        s->cause = "client closed the connection";
    outbuf_free(&s->conn->out);
    conn_deadline(s->conn, CONN_WAIT_NONE, 0);
    return true;
}
