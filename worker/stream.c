/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a stream, and the loop that drives it through the stages of stages.def. A stage that
 * waits is entered again at the next event of anything that the stream holds; it looks at the state
 * of things, not at the event.
 */
#include "shm/assert.h"
#include "shm/seats.h"
#include "worker/body/body_filter_life.h"
#include "worker/body/spool.h"
#include "worker/caching/collapsing.h"
#include "worker/conn.h"
#include "worker/stream_life.h"
#include "worker/upstream/passive.h"
#include "worker/upstream/placing.h"
#include "worker/upstream/upstream.h"

static void go_to(struct stream *s, enum stage_id stage)
{
    s->stage = stage;
    s->step = 0;
}

bool stream_run(struct stream *s)
{
    for (;;) {
        const struct stage *stage = &stages_table[s->stage];
        memcpy(s->w->row->doing, stage->name, STAGE_NAME);
        switch (stage->run(s)) {
        case STAGE_NEXT:
            if (s->stage == STAGES - 1)
                return true;
            go_to(s, s->stage + 1);
            break;
        case STAGE_RETRY:
            go_to(s, STAGE_BALANCE);
            break;
        case STAGE_LOOK:
            go_to(s, STAGE_CACHE);
            break;
        case STAGE_DONE:
            go_to(s, STAGE_RESPOND);
            break;
        case STAGE_FAIL:
            s->broken = true;
            go_to(s, STAGE_LOG);
            break;
        case STAGE_WAIT:
            return false;
        }
    }
}

struct stream *stream_begin(struct worker *w, struct conn *conn, const struct carrier *carrier)
{
    struct stream *s = pool_take(&w->streams);

    if (!s)
        return NULL;
    /* all but the head, which its parser fills, and the first block of the arena */
    memset(s, 0, offsetof(struct stream, head));
    s->head.fields_n = 0;
    s->head.keep_alive = true;
    s->head.method = METHOD_OTHER;
    s->head.method_text = s->head.target = (struct slice){ NULL, 0 };
    s->head.minor = 1;
    s->w = w;
    s->conn = conn;
    s->carrier = carrier;
    s->request.head = &s->head;
    s->intake.done = true;
    s->began = w->loop.now.us;
    arena_init(&s->arena, s->first_block, STREAM_FIRST_BLOCK);
    stats_add(&w->stats->active, 1);
    atomic_store_explicit(&w->row->streams, w->stats->active, memory_order_relaxed);
    if (conn->t.io.fd >= 0) /* a client's, not one of background.c */
        stats_add(&w->stats->idle, (uint64_t)-1);
    return s;
}

bool stream_copy_head(struct head *to, const struct head *from, struct arena *arena)
{
    memcpy(to, from, offsetof(struct head, fields) + from->fields_n * sizeof *from->fields);
    to->reason = arena_copy(arena, from->reason);
    for (int i = 0; i < from->fields_n; i++) {
        const struct field *f = &from->fields[i];
        to->fields[i].name = arena_copy(arena, slice_of(f->name, f->name_n)).p;
        to->fields[i].value = arena_copy(arena, slice_of(f->value, f->value_n)).p;
        if (!to->fields[i].name || !to->fields[i].value)
            return false;
    }
    return to->reason.p != NULL;
}

void stream_take_peer(struct stream *s, struct peer *peer)
{
    if (s->peer) {
        passive_leave(s);
        placing_leave(s);
    }
    if (peer)
        peers_hold(peer);
    peers_let_go(&s->peer);
    s->peer = peer;
}

void stream_leave_seat(struct stream *s)
{
    if (s->seat)
        seats_give(s->w->seats, s->seat);
    s->seat = 0;
}

void stream_release(struct stream *s)
{
    struct stream_wait *wait = s->wait;

    s->wait = NULL;
    if (wait)
        wait->cancel(wait);
    if (s->up)
        upstream_drop(&s->up);
    passive_leave(s);
    placing_leave(s);
    if (s->waiter)
        placing_unqueue(s);
    placing_retried(s);
    stream_leave_seat(s);
    if (s->hit.entry)
        cache_unpin(s->cache, &s->hit);
    if (s->fill)
        cache_fill_abort(&s->fill);
    if (s->collapse || s->ticket)
        collapsing_release(s);
    if (s->filters)
        body_filter_end(s);
    if (s->body_watch)
        s->body_watch->drop(s->body_watch);
    s->body_watch = NULL;
    spool_free(&s->spool_in);
    spool_free(&s->spool_out);
}

void stream_free(struct stream **stream)
{
    struct stream *s = *stream;
    struct worker *w = s->w;

    *stream = NULL;
    if (!s->ended)
        stage_log(s);
    stream_release(s);
    peers_let_go(&s->peer);
    if (s->head_buffer)
        pool_give(s->head_buffer_cap == w->heads.size ? &w->heads : &w->windows, s->head_buffer);
    if (s->arena.blocks)
        arena_reset(&s->arena);
    stats_add(&w->stats->active, (uint64_t)-1);
    atomic_store_explicit(&w->row->streams, w->stats->active, memory_order_relaxed);
    if (s->conn->t.io.fd >= 0)
        stats_add(&w->stats->idle, 1);
    pool_give(&w->streams, s);
}
