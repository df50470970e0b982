/* SPDX-License-Identifier: Apache-2.0 */
/* See fake_stream.h. Fields and arguments are split with the real parsers, so that plugins see real
 * slices. */
#include "tests/unit/worker/fake_stream.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* --- set-up --------------------------------------------------------------------------------- */

void fake_request(struct stream *s, const char *text)
{
    static char path[sizeof(s->text)];
    size_t n = 0;
    arena_reset(&s->arena);
    arena_init(&s->arena, NULL, 0);
    s->consumer = NULL;
    s->authenticated = false;
    s->credential = s->message = s->body = s->content_type = slice_of(NULL, 0);
    s->anonymous = false;
    s->response = NULL;
    s->range_ignored = false;
    s->filter = NULL;
    s->noted = NULL;
    s->whole = NULL;
    s->status = 0;
    s->body_limit = 0;
    s->body_edit = NULL;
    s->body_watch = NULL;
    s->body_message = NULL;
    for (; *text; text++) {
        assert_true(n + 16 < sizeof(s->text));
        if (*text == '\n') {
            bool first = !memchr(s->text, '\r', n);
            n += (size_t)sprintf(s->text + n, first ? " HTTP/1.1\r\nHost: h\r\n" : "\r\n");
        } else {
            s->text[n++] = *text;
        }
    }
    n += (size_t)sprintf(s->text + n, "\r\n");
    assert_int_equal(head_request(s->text, n, 0, &s->head), n);
    s->request = (struct request){ .head = &s->head, .host = SLICE("h") };
    assert_true(uri_parse(s->head.path, path, sizeof(path), &s->request.uri));
    s->request.query = s->request.uri.query;
}

void fake_free(struct stream *s)
{
    arena_reset(&s->arena);
    verified_free(&s->verified);
}

struct conf_text fake_text(const char *s)
{
    return (struct conf_text){ s, strlen(s) };
}

static const struct slice *find(const struct extra_field *e, const char *name)
{
    for (; e; e = e->next)
        if (slice_equal_nocase(e->name, slice_of(name, strlen(name))))
            return &e->value;
    return NULL;
}

const struct slice *fake_upstream(const struct stream *s, const char *name)
{
    return find(s->request.extra, name);
}

const struct slice *fake_response(const struct stream *s, const char *name)
{
    return find(s->response, name);
}

/* --- worker/stream.h ------------------------------------------------------------------------ */

struct request *stream_request(struct stream *s)
{
    return &s->request;
}

const struct conf_route *stream_route(const struct stream *s)
{
    return &s->route;
}

const struct conf_service *stream_service(const struct stream *s)
{
    return &s->service;
}

const struct conf_credentials *stream_credentials(const struct stream *s)
{
    return &s->credentials;
}

struct arena *stream_arena(struct stream *s)
{
    return &s->arena;
}

int64_t stream_now(const struct stream *s)
{
    return s->now_ms / 1000;
}

int64_t stream_now_ms(const struct stream *s)
{
    return s->now_ms;
}

struct slice stream_request_id(struct stream *s)
{
    (void)s;
    return SLICE("0123456789abcdef0123456789abcdef");
}

uint64_t stream_counter(struct stream *s)
{
    return ++s->counter;
}

struct limits *stream_limits(const struct stream *s)
{
    return s->limits;
}

bool stream_from_upstream(const struct stream *s)
{
    return s->from_upstream;
}

bool stream_may_take_seat(const struct stream *s, uint64_t scope, struct slice who, uint32_t limit)
{
    (void)scope;
    (void)who;
    (void)limit;
    return s->seats > 0;
}

bool stream_take_seat(struct stream *s, uint64_t scope, struct slice who, uint32_t limit)
{
    s->seat_scope = scope;
    s->seat_of = who;
    s->seat_limit = limit;
    return s->seats > 0 && s->seats--;
}

struct memo *stream_memo(struct stream *s)
{
    return &s->memo;
}

struct verified *stream_verified(struct stream *s)
{
    return &s->verified;
}

struct keyring *stream_keyring(struct stream *s)
{
    return &s->keyring;
}

int64_t stream_monotonic_ms(const struct stream *s)
{
    return s->monotonic_ms;
}

enum stage_result stream_sleep(struct stream *s, struct stream_nap *nap, int64_t ms)
{
    s->slept = ms;
    return stream_await(s, &nap->wait);
}

void stream_wake_up(struct stream *s, struct stream_nap *nap)
{
    (void)nap;
    stream_awaited_end(s);
}

uint32_t stream_worker_index(const struct stream *s)
{
    (void)s;
    return 0;
}

struct slice stream_client_text(struct stream *s)
{
    (void)s;
    return SLICE("192.0.2.7");
}

struct slice stream_server_text(struct stream *s)
{
    (void)s;
    return SLICE("127.0.0.1-8000");
}

static void set(struct stream *s, struct extra_field **list, struct slice name, struct slice value)
{
    struct extra_field *e;
    for (e = *list; e && (e->beside || !slice_equal_nocase(e->name, name)); e = e->next)
        continue;
    if (!e) {
        e = arena_take(&s->arena, sizeof(*e));
        assert_non_null(e);
        *e = (struct extra_field){ .next = *list };
        e->name = arena_copy(&s->arena, name);
        *list = e;
    }
    e->value = value.p ? arena_copy(&s->arena, value) : value;
}

static struct slice text_or_nothing(struct conf_text text)
{
    return text.n ? slice_of(text.s, text.n) : slice_of(NULL, 0);
}

void stream_authenticate(struct stream *s, const struct conf_consumer *consumer,
                         struct slice credential, bool anonymous)
{
    s->consumer = consumer;
    s->credential = credential;
    s->request.credential = anonymous ? SLICE("") : arena_copy(&s->arena, credential);
    s->anonymous = anonymous;
    s->authenticated = !anonymous;
    stream_set_upstream(s, SLICE("X-Consumer-ID"),
                        consumer ? text_or_nothing(consumer->id) : slice_of(NULL, 0));
    stream_set_upstream(s, SLICE("X-Credential-Identifier"),
                        anonymous ? slice_of(NULL, 0) : credential);
    stream_set_upstream(s, SLICE("X-Anonymous-Consumer"),
                        anonymous ? SLICE("true") : slice_of(NULL, 0));
}

const struct conf_consumer *stream_consumer(const struct stream *s)
{
    return s->consumer;
}

void stream_tell_apart(struct stream *s, struct slice by)
{
    (void)s;
    (void)by;
}

bool stream_authenticated(const struct stream *s)
{
    return s->authenticated;
}

struct slice stream_capture(const struct stream *s, int number, const char *name)
{
    if (number < 0)
        number = strcmp(name, "id") == 0 ? 1 : -1;
    return number < 0 || number > 1 ? slice_of(NULL, 0) : s->captures[number];
}

void stream_limit_body(struct stream *s, uint64_t bytes, const char *message)
{
    s->body_limit = bytes;
    s->body_message = message;
}

void stream_ignore_range(struct stream *s)
{
    s->range_ignored = true;
}

void stream_watch_body(struct stream *s, struct body_watch *watch)
{
    s->body_watch = watch;
    watch->begin(watch);
}

enum stage_result stream_edit_body(struct stream *s, uint64_t limit, const struct body_edit *edit)
{
    stream_limit_body(s, limit, "Payload too large");
    s->body_edit = edit;
    return STAGE_NEXT;
}

void stream_set_upstream(struct stream *s, struct slice name, struct slice value)
{
    set(s, &s->request.extra, name, value);
}

void stream_drop_upstream(struct stream *s, struct slice name)
{
    set(s, &s->request.extra, name, slice_of(NULL, 0));
}

void stream_set_response(struct stream *s, struct slice name, struct slice value)
{
    set(s, &s->response, name, value);
}

void stream_set_response_number(struct stream *s, struct slice name, uint64_t value)
{
    set(s, &s->response, name, arena_print(&s->arena, "%llu", (unsigned long long)value));
}

void stream_add_response(struct stream *s, struct slice name, struct slice value)
{
    struct extra_field *e = arena_take(&s->arena, sizeof(*e));
    assert_non_null(e);
    *e = (struct extra_field){
        .next = s->response, .name = name, .value = arena_copy(&s->arena, value), .beside = true
    };
    s->response = e;
}

size_t stream_get_response(const struct stream *s, struct slice name, struct slice *values,
                           size_t max)
{
    size_t n = 0;
    bool replaced = false;
    for (const struct extra_field *e = s->response; e && n < max; e = e->next)
        if (slice_equal_nocase(e->name, name)) {
            replaced |= !e->beside;
            if (e->value.p)
                values[n++] = e->value;
        }
    for (size_t i = 0; !replaced && i < FAKE_FIELDS && n < max; i++)
        if (s->answered[i].name.n && slice_equal_nocase(s->answered[i].name, name))
            values[n++] = s->answered[i].value;
    return n;
}

void stream_drop_response(struct stream *s, struct slice name)
{
    for (struct extra_field *e = s->response; e; e = e->next)
        if (e->beside && slice_equal_nocase(e->name, name))
            e->value = slice_of(NULL, 0);
    set(s, &s->response, name, slice_of(NULL, 0));
}

enum stage_result stream_await(struct stream *s, struct stream_wait *wait)
{
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

bool note_keep(struct stream *s, const void *config, const void *what)
{
    s->noted = what;
    s->noted_for = config;
    return true;
}

const void *note_kept(const struct stream *s, const void *config)
{
    return s->noted && s->noted_for == config ? s->noted : NULL;
}

struct encoders *stream_encoders(struct stream *s)
{
    return &s->encoders;
}

/* What filters do with bodies needs a real stream. */
bool body_filter_pass(struct stream *s, struct body_filter *f, struct iovec *iov, int n, bool end)
{
    (void)s, (void)f, (void)iov, (void)n, (void)end;
    fail();
    return false;
}

void body_filter_keep(struct stream *s)
{
    (void)s;
    fail();
}

bool body_filter_add(struct stream *s, const struct body_filter_ops *ops, void *state)
{
    s->filter = ops;
    s->filter_state = state;
    return true;
}

bool body_filter_whole_add(struct stream *s, const struct body_filter_whole *ops,
                           const void *config, uint64_t limit)
{
    s->whole = ops;
    s->whole_config = config;
    s->whole_limit = limit;
    return true;
}

enum stage_result stream_answer(struct stream *s, int status, const char *message)
{
    s->status = status;
    s->message = arena_copy(&s->arena, slice_of(message, strlen(message)));
    return STAGE_DONE;
}

enum stage_result stream_answer_with(struct stream *s, int status, struct slice content_type,
                                     struct slice body)
{
    s->status = status;
    s->content_type = content_type;
    s->body = body;
    return STAGE_DONE;
}

/* --- credentials ---------------------------------------------------------------------------- */

const struct conf_key *credentials_key(const struct conf_credentials *c, const char *key, size_t n)
{
    for (size_t i = 0; i < c->keys_n; i++)
        if (c->keys[i]->key.n == n && memcmp(c->keys[i]->key.s, key, n) == 0)
            return c->keys[i];
    return NULL;
}

const struct conf_jwt_secret *credentials_jwt(const struct conf_credentials *c, const char *key,
                                              size_t n)
{
    for (size_t i = 0; i < c->secrets_n; i++)
        if (c->secrets[i]->key.n == n && memcmp(c->secrets[i]->key.s, key, n) == 0)
            return c->secrets[i];
    return NULL;
}

const struct conf_basic *credentials_hashed(const struct conf_credentials *c)
{
    for (size_t i = 0; i < c->basics_n; i++)
        if (c->basics[i]->format == CONF_PASSWORD_CRYPT)
            return c->basics[i];
    return NULL;
}

const struct conf_basic *credentials_basic(const struct conf_credentials *c, const char *username,
                                           size_t n)
{
    for (size_t i = 0; i < c->basics_n; i++)
        if (c->basics[i]->username.n == n && memcmp(c->basics[i]->username.s, username, n) == 0)
            return c->basics[i];
    return NULL;
}

const struct conf_hmac *credentials_hmac(const struct conf_credentials *c, const char *username,
                                         size_t n)
{
    for (size_t i = 0; i < c->hmacs_n; i++)
        if (c->hmacs[i]->username.n == n && memcmp(c->hmacs[i]->username.s, username, n) == 0)
            return c->hmacs[i];
    return NULL;
}

const struct conf_consumer *credentials_username(const struct conf_credentials *c, const char *name,
                                                 size_t n)
{
    for (size_t i = 0; i < c->consumers_n; i++)
        if (c->consumers[i]->username.n == n && memcmp(c->consumers[i]->username.s, name, n) == 0)
            return c->consumers[i];
    return NULL;
}

const struct conf_consumer *credentials_custom_id(const struct conf_credentials *c,
                                                  const char *name, size_t n)
{
    for (size_t i = 0; i < c->consumers_n; i++)
        if (c->consumers[i]->custom_id.n == n && memcmp(c->consumers[i]->custom_id.s, name, n) == 0)
            return c->consumers[i];
    return NULL;
}
