/* SPDX-License-Identifier: Apache-2.0 */
/*
 * correlation-id: an identifier for each request that has none. A uuid is the stream's request id
 * in that form, so that no randomness has to be drawn for it and logs of both sides can be joined;
 * uuid#counter is one uuid a worker with a count; tracker tells where and when. What the client
 * sent is kept.
 */
#include "conf/plugins/plugin_correlation_id.h"
#include "worker/http/build.h"
#include "worker/plugins/plugins.h"
#include "worker/stream.h"
#include <sys/random.h>
#include <unistd.h>

enum { UUID_DIGITS = 32, UUID_LENGTH = 36 };

/* The worker's own uuid, drawn when it is first asked for: after the fork, so that no two workers
 * share it. */
static struct {
    bool made;
    char text[UUID_LENGTH + 1];
} worker;

/* 32 hex digits as a random (version 4) UUID: RFC 9562 section 5.4. */
static void format_uuid(const char digits[UUID_DIGITS], char out[UUID_LENGTH + 1])
{
    char *at = out;
    for (int i = 0; i < UUID_DIGITS; i++) {
        if (i == 8 || i == 12 || i == 16 || i == 20)
            *at++ = '-';
        *at++ = digits[i];
    }
    out[14] = '4';
    out[19] = "89ab"[(unsigned char)digits[16] & 3];
    *at = '\0';
}

static struct slice make_uuid(struct stream *s)
{
    char text[UUID_LENGTH + 1];
    struct slice id = stream_request_id(s);
    if (id.n != UUID_DIGITS)
        return slice_of(NULL, 0);
    format_uuid(id.p, text);
    return arena_copy(stream_arena(s), slice_of(text, UUID_LENGTH));
}

static struct slice make_counted(struct stream *s)
{
    unsigned char random[UUID_DIGITS / 2];
    if (!worker.made) {
        char digits[UUID_DIGITS];
        if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
            return make_uuid(s);
        build_octets(digits, random, sizeof random);
        format_uuid(digits, worker.text);
        worker.made = true;
    }
    char *p = arena_take(stream_arena(s), UUID_LENGTH + 1 + BUILD_NUMBER_MAX), *at = p;
    if (!p)
        return slice_of(NULL, 0);
    at = build_slice(at, slice_of(worker.text, UUID_LENGTH));
    *at++ = '#';
    return slice_of(p, (size_t)(build_number(at, stream_counter(s)) - p));
}

/* address-port-pid-connection-request-time. Connections have no number here: the worker's count
 * stands for both. */
static struct slice make_tracker(struct stream *s)
{
    struct slice server = stream_server_text(s);
    long long ms = stream_now_ms(s);
    return arena_print(stream_arena(s), "%.*s-%d-%llu-1-%lld.%03lld", (int)server.n, server.p,
                       (int)getpid(), (unsigned long long)stream_counter(s), ms / 1000, ms % 1000);
}

static struct slice generate(struct stream *s, enum conf_correlation_generator generator)
{
    switch (generator) {
    case CONF_CORRELATION_UUID:
        return make_uuid(s);
    case CONF_CORRELATION_UUID_COUNTER:
        return make_counted(s);
    case CONF_CORRELATION_TRACKER:
        return make_tracker(s);
    }
    return slice_of(NULL, 0);
}

/* What the request carries: given by a plugin, or sent by the client, and not for the gateway alone
 * (Connection); {NULL, 0}: nothing. */
static struct slice present(struct stream *s, struct slice name)
{
    const struct request *r = stream_request(s);
    for (const struct extra_field *e = r->extra; e; e = e->next)
        if (slice_equal_nocase(e->name, name))
            return e->value;
    for (const struct field *f = head_find(r->head, name); f; f = head_next(r->head, f))
        if (!f->drop && f->value_n > 0)
            return field_value(f);
    return slice_of(NULL, 0);
}

static enum stage_result correlation_id_access(struct stream *s, const void *config)
{
    const struct conf_correlation_id *c = config;
    if (present(s, slice_text(c->header_name)).p)
        return STAGE_NEXT;
    struct slice id = generate(s, c->generator);
    if (id.p)
        stream_set_upstream(s, slice_text(c->header_name), id);
    return STAGE_NEXT;
}

/* An answer that was made before this plugin's turn in the access phase gets its id here. */
static void correlation_id_header_filter(struct stream *s, const void *config)
{
    const struct conf_correlation_id *c = config;
    if (!c->echo_downstream)
        return;
    struct slice id = present(s, slice_text(c->header_name));
    if (!id.p)
        id = generate(s, c->generator);
    if (id.p)
        stream_set_response(s, slice_text(c->header_name), id);
}

const struct plugin_ops correlation_id_ops = {
    .kind = CONF_PLUGIN_CORRELATION_ID,
    .access = correlation_id_access,
    .header_filter = correlation_id_header_filter,
};
