/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A copy of the client's stream goes its way from the choice of a peer on, carried by nobody: what
 * it is to send is dropped, and its body has ended before it began. All that it needs of the
 * client's stream is copied, since that one is gone long before.
 */
#include "worker/caching/background.h"

#include "shm/cache_ticket.h"
#include "worker/caching/asking.h"
#include "worker/caching/refreshing.h"
#include "worker/errand.h"
#include "worker/http/reuse.h"
#include "worker/nobody.h"
#include "worker/upstream/upstream.h"
#include <stdlib.h>

enum { BACKGROUND_MAX = 256 };

static const struct carrier background_carrier = {
    .read_head = nobody_read_head,
    .read_body = nobody_read_body,
    .rewind_body = nobody_rewind_body,
    .send_interim = nobody_send_interim,
    .send = nobody_send,
    .flushed = nobody_flushed,
    .abandoned = nobody_abandoned,
    .wake = errand_wake,
    .may_go_on = errand_may_go_on,
};

/* --- its life ------------------------------------------------------------------------------- */

static void finish(struct errand *e)
{
    e->conn.w->background--;
    stream_free(&e->stream);
    free(e);
}

/* The ticket, before the origin is asked: who comes meanwhile and cannot use what is stale waits
 * for this refresh. False: another request is at it already. */
static bool take_turn(struct stream *s)
{
    if (s->cache_config->lock_timeout == 0)
        return true;
    if (cache_ticket_try(s->cache, s->fill_id, s->w->loop.now.real_s, &s->ticket)) {
        memcpy(s->ticket_id, s->fill_id, CACHE_ID_SIZE);
        return true;
    }
    /* without a ticket where nobody waits for such answers */
    return !cache_ticket_is_taken(s->cache, s->fill_id);
}

/* Finds the object again and asks for it; it may have been renewed or removed meanwhile. */
static void begin(struct errand *e)
{
    struct stream *s = e->stream;
    int64_t now = s->w->loop.now.real_s;

    if (!take_turn(s) ||
        !cache_find(s->cache, s->fill_id, s->fill_key.p, s->fill_key.n, now, &s->hit) ||
        !reuse_stale(s->hit.meta, s->hit.soft, now)) {
        finish(e);
        return;
    }
    refreshing_hold(s);
    s->born = cache_sequence(s->cache);
    s->stage = STAGE_BALANCE;
    errand_wake(s);
}

/* --- the copy ------------------------------------------------------------------------------- */

static bool copy_text(struct stream *to, struct slice *text)
{
    if (!text->p)
        return true;
    *text = arena_copy(&to->arena, *text);
    return text->p != NULL;
}

static bool copy_fields(struct stream *to, const struct stream *from)
{
    struct head *h = &to->head;

    if (!stream_copy_head(h, &from->head, &to->arena))
        return false;
    if (h->method == METHOD_HEAD) { /* what is stored is the answer to GET */
        h->method = METHOD_GET;
        h->method_text = SLICE("GET");
    }
    return copy_text(to, &h->method_text) && copy_text(to, &h->target) && copy_text(to, &h->path) &&
           copy_text(to, &h->authority) && copy_text(to, &h->host) && copy_text(to, &h->host_name);
}

static bool copy_request(struct stream *to, const struct stream *from)
{
    struct request *q = &to->request;

    *q = from->request;
    q->head = &to->head;
    q->extra = NULL;
    q->told = NULL;
    for (const struct extra_field *e = from->request.extra; e; e = e->next)
        stream_set_upstream(to, e->name, e->value);
    static const struct slice dropped[] = { SLICE("If-None-Match"), SLICE("If-Modified-Since"),
                                            SLICE("If-Range"), SLICE("Range") };
    for (size_t i = 0; i < sizeof dropped / sizeof *dropped; i++)
        stream_drop_upstream(to, dropped[i]);
    return copy_text(to, &q->uri.path) && copy_text(to, &q->uri.query) &&
           copy_text(to, &q->query) && copy_text(to, &q->path) && copy_text(to, &q->chosen) &&
           copy_text(to, &q->host) && copy_text(to, &q->credential);
}

static bool copy_cache(struct stream *to, const struct stream *from)
{
    to->cache_config = from->cache_config;
    to->cache_plugin = from->cache_plugin;
    to->cache = from->cache;
    memcpy(to->cache_id, from->cache_id, CACHE_ID_SIZE);
    memcpy(to->fill_id, from->fill_id, CACHE_ID_SIZE);
    to->cache_key = from->cache_key;
    to->fill_key = from->fill_key;
    to->snapshot = from->snapshot;
    to->vary_names = from->vary_names;
    to->vary_salt = from->vary_salt;
    to->vary_kept = from->vary_kept;
    to->cache_status = STATS_REFRESH;
    to->cache_asked = to->cache_store = true;
    return copy_text(to, &to->cache_key) && copy_text(to, &to->fill_key) &&
           copy_text(to, &to->snapshot) && copy_text(to, &to->vary_names);
}

static bool copy_stream(struct stream *to, const struct stream *from)
{
    to->route = from->route;
    to->service = from->service;
    to->match = from->match;
    to->consumer = from->consumer;
    to->anonymous = from->anonymous;
    to->authenticated = from->authenticated;
    to->apart = from->apart;
    to->head_at = from->w->loop.now.us;
    to->ended = true; /* no line in the access log, no count of a request: nobody asked */
    return copy_text(to, &to->apart) && copy_fields(to, from) && copy_request(to, from) &&
           copy_cache(to, from);
}

/* A copy of the stream that has not begun; NULL: no memory, or too many. */
static struct errand *copy(const struct stream *s)
{
    struct worker *w = s->w;
    struct errand *e;

    if (s->intake.framing != FRAMING_NONE || w->background >= BACKGROUND_MAX ||
        !(e = calloc(1, sizeof *e)))
        return NULL;
    e->conn.listener = s->conn->listener;
    e->conn.peer_port = s->conn->peer_port;
    memcpy(e->conn.peer_ip, s->conn->peer_ip, sizeof e->conn.peer_ip);
    e->end = finish;
    if (!errand_make(e, w, &background_carrier)) {
        free(e);
        return NULL;
    }
    w->background++;
    if (copy_stream(e->stream, s))
        return e;
    e->stream->ended = true;
    finish(e);
    return NULL;
}

bool background_refresh(const struct stream *s)
{
    struct errand *e = copy(s);

    if (!e)
        return false;
    e->begin = begin;
    errand_put_off(e);
    return true;
}

/* What the exchange with the peer consists of. The peer is held by both, counted for one. */
static void move_exchange(struct stream *to, struct stream *from)
{
    stream_take_peer(to, from->peer);
    to->up = from->up;
    to->up->s = to;
    to->up_status = from->up_status;
    to->up_keep = from->up_keep;
    to->up_began = from->up_began;
    to->up_head = from->up_head;
    to->request_sent = from->request_sent;
    to->tries = from->tries;
    to->placed = from->placed;
    to->trial = from->trial;
    to->retrying = from->retrying;
    to->out_framing = from->out_framing;
    to->out_done = from->out_done;
    to->out_left = from->out_left;
    chunk_init(&to->out_chunk, NULL);
    from->up = NULL;
    from->placed = from->trial = false;
    from->retrying = NULL;
}

static void move_fill(struct stream *to, struct stream *from)
{
    to->fill = from->fill;
    to->filled = from->filled;
    to->born = from->born;
    to->ticket = from->ticket;
    memcpy(to->ticket_id, from->ticket_id, CACHE_ID_SIZE);
    from->fill = NULL;
    from->ticket = 0;
}

bool background_take_over(struct stream *s)
{
    struct errand *e = copy(s);

    if (!e)
        return false;
    struct stream *to = e->stream;
    move_exchange(to, s);
    move_fill(to, s);
    to->left = s->carrier; /* ends with its fill */
    to->answer = s->answer;
    to->reply.status = s->reply.status;
    to->reply.length = s->reply.length;
    to->head_sent = true;
    to->stage = STAGE_RESPOND;
    to->step = s->step;
    errand_put_off(e);
    return true;
}
