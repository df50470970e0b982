/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a plugin may see and ask of the stream that it runs in: its parts, the clock, who is asking,
 * the worker's memories; what it may have done with the body; and what it may wait for. What it
 * says to either side is in stream_answer.c.
 */
#include "shm/assert.h"
#include "shm/seats.h"
#include "worker/address.h"
#include "worker/conn.h"
#include "worker/http/build.h"
#include "worker/stream_life.h"
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

/* --- who asks -------------------------------------------------------------------------------- */

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

void stream_tell_apart(struct stream *s, struct slice by)
{
    struct slice all = arena_print(&s->arena, "%.*s%zu:%.*s", (int)s->apart.n,
                                   s->apart.p ? s->apart.p : "", by.n, (int)by.n, by.p ? by.p : "");

    if (all.p)
        s->apart = all;
    else
        s->starved = true; /* else what is stored would be everybody's */
}

const struct conf_consumer *stream_consumer(const struct stream *s)
{
    return s->consumer;
}

bool stream_authenticated(const struct stream *s)
{
    return s->authenticated;
}

/* --- waiting --------------------------------------------------------------------------------- */

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
