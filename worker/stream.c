/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a stream, and the loop that drives it through the stages of stages.def. A stage that
 * waits is entered again at the next event of anything that the stream holds; it looks at the state
 * of things, not at the event.
 */
#include "shm/assert.h"
#include "shm/seats.h"
#include "worker/address.h"
#include "worker/body_filter_life.h"
#include "worker/collapsing.h"
#include "worker/conn.h"
#include "worker/http/build.h"
#include "worker/http/json.h"
#include "worker/passive.h"
#include "worker/placing.h"
#include "worker/spool.h"
#include "worker/stream_life.h"
#include "worker/upstream.h"

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

/* --- what plugins see ----------------------------------------------------------------------- */

struct request *stream_request(struct stream *s)
{
    return &s->request;
}

const struct conf_route *stream_route(const struct stream *s)
{
    return s->route;
}

const struct conf_service *stream_service(const struct stream *s)
{
    return s->service;
}

const struct conf_credentials *stream_credentials(const struct stream *s)
{
    return s->w->conf->credentials;
}

struct arena *stream_arena(struct stream *s)
{
    return &s->arena;
}

int64_t stream_now(const struct stream *s)
{
    return s->w->loop.now.real_s;
}

int64_t stream_now_ms(const struct stream *s)
{
    return s->w->loop.now.real_ms;
}

/* 128 bits: the worker's random start, counted on and mixed, so that ids neither repeat nor show
 * their order. */
struct slice stream_request_id(struct stream *s)
{
    uint64_t id[2];

    if (s->request_id.p)
        return s->request_id;
    char *p = arena_take(&s->arena, 2 * sizeof id);
    if (!p)
        return SLICE("-");
    uint64_t n = s->w->id_random[0] + 0x9e3779b97f4a7c15ull * ++s->w->ids;
    for (int half = 0; half < 2; half++) {
        n = (n ^ (n >> 30)) * 0xbf58476d1ce4e5b9ull;
        n = (n ^ (n >> 27)) * 0x94d049bb133111ebull;
        n ^= n >> 31;
        id[half] = n;
        n += s->w->id_random[1];
    }
    build_octets(p, (const uint8_t *)id, sizeof id);
    s->request_id = slice_of(p, 2 * sizeof id);
    return s->request_id;
}

uint64_t stream_counter(struct stream *s)
{
    return ++s->w->counter;
}

struct slice stream_client_text(struct stream *s)
{
    char text[ADDRESS_TEXT];

    return arena_copy(&s->arena, slice_of(text, address_text(s->request.client_ip, text)));
}

/* "127.0.0.1-8000", as it is configured. */
struct slice stream_server_text(struct stream *s)
{
    const struct conf_text *at = &s->w->listeners[s->conn->listener].conf->address.text;
    struct slice text = arena_copy(&s->arena, slice_of(at->s, at->n));
    char *colon = text.p ? memrchr(text.p, ':', text.n) : NULL;

    if (colon)
        *colon = '-';
    return text;
}

struct limits *stream_limits(const struct stream *s)
{
    return s->w->limits;
}

struct memo *stream_memo(struct stream *s)
{
    return &s->w->memo;
}

bool stream_from_upstream(const struct stream *s)
{
    return s->answer == ANSWER_UPSTREAM;
}

bool stream_take_seat(struct stream *s, uint64_t scope, struct slice who, uint32_t limit)
{
    must(!s->seat);
    s->seat = seats_take(s->w->seats, seats_key(s->w->seats, scope, who.p, who.n), limit);
    return s->seat != 0;
}

bool stream_may_take_seat(const struct stream *s, uint64_t scope, struct slice who, uint32_t limit)
{
    return seats_taken(s->w->seats, seats_key(s->w->seats, scope, who.p, who.n)) < limit;
}

void stream_leave_seat(struct stream *s)
{
    if (s->seat)
        seats_give(s->w->seats, s->seat);
    s->seat = 0;
}

struct verified *stream_verified(struct stream *s)
{
    return &s->w->verified;
}

struct keyring *stream_keyring(struct stream *s)
{
    return &s->w->keyring;
}

int64_t stream_monotonic_ms(const struct stream *s)
{
    return s->w->loop.now.ms;
}

struct encoders *stream_encoders(struct stream *s)
{
    return &s->w->encoders;
}

uint32_t stream_worker_index(const struct stream *s)
{
    return s->w->heritage->index;
}

struct slice stream_capture(const struct stream *s, int number, const char *name)
{
    const struct router_match *m = &s->match;

    if (number < 0 && m->path && m->path->regex)
        number = regex_group(m->path->regex, name);
    if (number < 0 || number >= m->captures_n || m->captures[number].from == (size_t)-1)
        return (struct slice){ NULL, 0 };
    const struct regex_span *span = &m->captures[number];
    return slice_of(s->request.uri.path.p + span->from, span->to - span->from);
}

void stream_limit_body(struct stream *s, uint64_t bytes, const char *message)
{
    if (bytes >= s->intake.limit)
        return;
    s->intake.limit = bytes;
    s->intake.refusal = message;
}

void stream_ignore_range(struct stream *s)
{
    stream_drop_upstream(s, SLICE("Range"));
    stream_drop_upstream(s, SLICE("If-Range"));
    s->head.first[FIELD_RANGE] = s->head.first[FIELD_IF_RANGE] = 0;
}

enum stage_result stream_edit_body(struct stream *s, uint64_t limit, const struct body_edit *edit)
{
    static const char refusal[] = "Payload too large";

    must(!s->body_edit);
    if (s->intake.framing == FRAMING_LENGTH && s->head.content_length > limit) {
        s->cause = "a plugin's limit of the request's body";
        stream_answer(s, 413, refusal);
        s->reply.close = true;
        return STAGE_DONE;
    }
    stream_limit_body(s, limit, refusal);
    s->body_edit = edit;
    return STAGE_NEXT;
}

void stream_watch_body(struct stream *s, struct body_watch *watch)
{
    must(!s->body_watch);
    s->body_watch = watch;
    watch->begin(watch);
}

/* --- fields and answers --------------------------------------------------------------------- */

/* A copy of the name, and behind it room for a value, all in one piece. */
static struct extra_field *make_room(struct stream *s, struct slice name, size_t value_n)
{
    struct extra_field *e = arena_take(&s->arena, sizeof *e + name.n + value_n + 2);

    if (!e)
        return NULL;
    char *p = (char *)(e + 1);
    memcpy(p, name.p, name.n);
    p[name.n] = '\0';
    *e = (struct extra_field){ .name = slice_of(p, name.n) };
    return e;
}

static struct extra_field *make_extra(struct stream *s, struct slice name, struct slice value)
{
    struct extra_field *e = make_room(s, name, value.n);

    if (!e || !value.p)
        return e;
    char *p = (char *)(e + 1) + name.n + 1;
    memcpy(p, value.p, value.n);
    p[value.n] = '\0';
    e->value = slice_of(p, value.n);
    return e;
}

/* In place of an earlier one with that name, but for those that stand beside others. */
static void put_extra(struct extra_field **list, struct extra_field *e)
{
    while (*list && ((*list)->beside || !slice_equal_nocase((*list)->name, e->name)))
        list = &(*list)->next;
    e->next = *list ? (*list)->next : NULL;
    *list = e;
}

void stream_set_upstream(struct stream *s, struct slice name, struct slice value)
{
    struct extra_field *e = make_extra(s, name, value);

    if (e)
        put_extra(&s->request.extra, e);
    else
        s->starved = true; /* else the client's own, forged or secret, would go out */
}

void stream_drop_upstream(struct stream *s, struct slice name)
{
    stream_set_upstream(s, name, (struct slice){ NULL, 0 });
}

void stream_set_response(struct stream *s, struct slice name, struct slice value)
{
    struct extra_field *e = make_extra(s, name, value);

    if (e)
        put_extra(&s->response_extra, e);
}

void stream_set_response_number(struct stream *s, struct slice name, uint64_t value)
{
    struct extra_field *e = make_room(s, name, BUILD_NUMBER_MAX);

    if (!e)
        return;
    char *p = (char *)(e + 1) + name.n + 1;
    e->value = slice_of(p, (size_t)(build_number(p, value) - p));
    put_extra(&s->response_extra, e);
}

void stream_add_response(struct stream *s, struct slice name, struct slice value)
{
    struct extra_field *e = make_extra(s, name, value);

    if (!e)
        return;
    e->beside = true;
    e->next = s->response_extra;
    s->response_extra = e;
}

static size_t get_lines(struct slice lines, struct slice name, struct slice *values, size_t max)
{
    size_t n = 0;

    while (lines.n && n < max) {
        const char *stop = memchr(lines.p, '\n', lines.n);
        must(stop);
        size_t length = (size_t)(stop - lines.p);
        if (length > name.n && lines.p[name.n] == ':' &&
            slice_equal_nocase(slice_of(lines.p, name.n), name)) {
            struct slice value = slice_of(lines.p + name.n + 1, length - name.n - 1);
            value.n -= value.n && value.p[value.n - 1] == '\r';
            values[n++] = field_trim(value);
        }
        lines = slice_of(stop + 1, lines.n - (size_t)(stop + 1 - lines.p));
    }
    return n;
}

size_t stream_get_response(const struct stream *s, struct slice name, struct slice *values,
                           size_t max)
{
    size_t n = 0;
    bool replaced = false;

    for (const struct extra_field *e = s->response_extra; e && n < max; e = e->next) {
        if (!slice_equal_nocase(e->name, name))
            continue;
        replaced |= !e->beside;
        if (e->value.p)
            values[n++] = e->value;
    }
    const struct field *f = replaced || !s->reply.head ? NULL : head_find(s->reply.head, name);
    for (; f && n < max; f = head_next(s->reply.head, f))
        if (!f->drop)
            values[n++] = field_value(f);
    return replaced ? n : n + get_lines(s->reply.lines, name, values + n, max - n);
}

void stream_drop_response(struct stream *s, struct slice name)
{
    for (struct extra_field *e = s->response_extra; e; e = e->next)
        if (e->beside && slice_equal_nocase(e->name, name))
            e->value = (struct slice){ NULL, 0 };
    stream_set_response(s, name, (struct slice){ NULL, 0 });
}

static void set_or_drop(struct stream *s, const char *name, struct slice value)
{
    stream_set_upstream(s, slice_of(name, strlen(name)),
                        value.n ? value : (struct slice){ NULL, 0 });
}

void stream_authenticate(struct stream *s, const struct conf_consumer *consumer,
                         struct slice credential, bool anonymous)
{
    static const struct conf_consumer nobody;

    s->consumer = consumer;
    s->anonymous = anonymous;
    s->authenticated = !anonymous;
    s->apart = false;
    s->request.credential = anonymous ? SLICE("") : arena_copy(&s->arena, credential);
    if (!consumer)
        consumer = &nobody;
    set_or_drop(s, "X-Consumer-ID", slice_of(consumer->id.s, consumer->id.n));
    set_or_drop(s, "X-Consumer-Username", slice_of(consumer->username.s, consumer->username.n));
    set_or_drop(s, "X-Consumer-Custom-ID", slice_of(consumer->custom_id.s, consumer->custom_id.n));
    set_or_drop(s, "X-Credential-Identifier", s->request.credential);
    set_or_drop(s, "X-Anonymous-Consumer", anonymous ? SLICE("true") : (struct slice){ NULL, 0 });
    stream_drop_upstream(s, SLICE("X-Consumer-Groups")); /* acl may tell them, no client */
}

void stream_tell_apart(struct stream *s)
{
    s->apart = true;
}

const struct conf_consumer *stream_consumer(const struct stream *s)
{
    return s->consumer;
}

enum stage_result stream_await(struct stream *s, struct stream_wait *wait)
{
    must(!s->wait || s->wait == wait);
    s->wait = wait;
    return STAGE_WAIT;
}

struct stream_wait *stream_awaited(const struct stream *s)
{
    return s->wait;
}

void stream_awaited_end(struct stream *s)
{
    s->wait = NULL;
}

static void end_nap(struct stream_wait *wait)
{
    struct stream_nap *nap = (struct stream_nap *)wait;

    timer_drop(&nap->stream->w->loop.timers, &nap->timer);
}

static void wake_from_nap(struct timer *timer)
{
    struct stream_nap *nap =
        (struct stream_nap *)((char *)timer - offsetof(struct stream_nap, timer));

    stream_wake(nap->stream);
}

enum stage_result stream_sleep(struct stream *s, struct stream_nap *nap, int64_t ms)
{
    nap->wait.cancel = end_nap;
    nap->stream = s;
    timer_set(&s->w->loop.timers, &nap->timer, s->w->loop.now.ms + ms, wake_from_nap);
    return stream_await(s, &nap->wait);
}

void stream_wake_up(struct stream *s, struct stream_nap *nap)
{
    end_nap(&nap->wait);
    stream_awaited_end(s);
}

bool stream_authenticated(const struct stream *s)
{
    return s->authenticated;
}

enum stage_result stream_answer_with(struct stream *s, int status, struct slice content_type,
                                     struct slice body)
{
    s->answer = ANSWER_OWN;
    s->reply = (struct reply){
        .status = status, .length = REPLY_LENGTH, .announce = true, .content_length = body.n
    };
    if (content_type.n)
        stream_set_response(s, SLICE("Content-Type"), content_type);
    s->own_body = body;
    return STAGE_DONE;
}

enum stage_result stream_answer(struct stream *s, int status, const char *message)
{
    size_t n = strlen(message);
    struct slice id = stream_request_id(s);
    char *p = arena_take(&s->arena, n * JSON_GROWTH + id.n + 64), *at = p;

    if (!p)
        return stream_answer_with(s, status, SLICE("text/plain"), SLICE("out of memory"));
    at = build_slice(at, SLICE("{\"message\":\""));
    at += json_escape(at, n * JSON_GROWTH, slice_of(message, n));
    at = build_slice(at, SLICE("\",\"request_id\":\""));
    at = build_slice(at, id);
    at = build_slice(at, SLICE("\"}"));
    return stream_answer_with(s, status, SLICE("application/json; charset=utf-8"),
                              slice_of(p, (size_t)(at - p)));
}
