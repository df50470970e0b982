/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compression: a response in a content coding that the client accepts, made as it passes by.
 *
 * The entity tag of what is made is the weak form of the original's: the bytes depend on level and
 * library, and on where the stream was flushed, so no strong tag could be true of them, and one tag
 * that two codings share is weak by definition (RFC 9110 section 8.8.1). Conditional requests with
 * it need no translation, since If-None-Match compares weakly; ranges of what is made are not
 * offered, and a Last-Modified date is no reason to combine them with others (section 13.1.5).
 */
#include "conf/plugins/plugin_compression.h"
#include "worker/base/encoder.h"
#include "worker/body/body_filter.h"
#include "worker/http/accept_encoding.h"
#include "worker/http/media.h"
#include "worker/plugins/plugins.h"
#include "worker/plugins/weak_tag.h"

enum { COMPRESSION_LINES = 8 };

struct compression {
    const struct conf_compression *conf;
    struct encoders *pool;
    struct encoder *encoder;
    struct reply *reply;
    enum conf_coding coding;
    size_t n;    /* bytes in pool->out */
    bool begun;  /* the first bytes came */
    bool inside; /* the encoder may hold bytes that a flush brings out */
};

/* --- what the client wants ------------------------------------------------------------------ */

static void read_client(struct stream *s, struct accept_encoding *a)
{
    const struct head *h = stream_request(s)->head;

    accept_encoding_begin(a);
    for (const struct field *f = head_field(h, FIELD_ACCEPT_ENCODING); f; f = head_next(h, f))
        accept_encoding_add(a, field_value(f));
}

static enum conf_coding pick(const struct conf_compression *c, const struct accept_encoding *a)
{
    return accept_encoding_pick(a, c->algorithms, c->algorithms_n);
}

static bool lists(struct slice list, struct slice name)
{
    struct slice member;

    while (field_list_next(&list, &member))
        if (slice_equal_nocase(member, name))
            return true;
    return false;
}

static bool refuses_changes(struct stream *s)
{
    const struct head *h = stream_request(s)->head;

    for (const struct field *f = head_field(h, FIELD_CACHE_CONTROL); f; f = head_next(h, f))
        if (lists(field_value(f), SLICE("no-transform")))
            return true;
    return false;
}

/* --- whether this response may be encoded --------------------------------------------------- */

static bool has(const struct stream *s, struct slice name)
{
    struct slice value;

    return stream_get_response(s, name, &value, 1) > 0;
}

static bool says(const struct stream *s, struct slice name, struct slice member)
{
    struct slice values[COMPRESSION_LINES];
    size_t n = stream_get_response(s, name, values, COMPRESSION_LINES);

    for (size_t i = 0; i < n; i++)
        if (lists(values[i], member))
            return true;
    return false;
}

static bool listed_status(const struct conf_compression *c, int status)
{
    for (size_t i = 0; i < c->response_code.n; i++)
        if (c->response_code.v[i] == status)
            return true;
    return c->response_code.n == 0;
}

static bool listed_method(const struct conf_compression *c, struct slice method)
{
    for (size_t i = 0; i < c->request_method.n; i++)
        if (slice_equal(slice_of(c->request_method.v[i].s, c->request_method.v[i].n), method))
            return true;
    return c->request_method.n == 0;
}

static bool listed_type(const struct stream *s, const struct conf_compression *c)
{
    struct slice type;

    if (stream_get_response(s, SLICE("Content-Type"), &type, 1) == 0)
        return false;
    for (size_t i = 0; i < c->types_n; i++)
        if (media_is_kind(&c->types[i], type))
            return true;
    return false;
}

/* It is in a coding already, a part of something, or vouched for byte by byte. */
static bool is_bound(const struct stream *s)
{
    struct slice codings[COMPRESSION_LINES];

    for (size_t i = 0; i < FIELD_DIGESTS; i++)
        if (has(s, field_digests[i]))
            return true;
    if (has(s, SLICE("Content-Range")))
        return true;
    size_t n = stream_get_response(s, SLICE("Content-Encoding"), codings, COMPRESSION_LINES);
    for (size_t i = 0; i < n; i++)
        if (!slice_equal_nocase(codings[i], SLICE("identity")))
            return true;
    return false;
}

static bool may_encode(struct stream *s, const struct conf_compression *c, int status)
{
    return status >= 200 && status != 204 && status != 206 && listed_status(c, status) &&
           listed_method(c, stream_request(s)->head->method_text) && listed_type(s, c) &&
           !is_bound(s) && !says(s, SLICE("Cache-Control"), SLICE("no-transform")) &&
           !refuses_changes(s);
}

static bool is_short(const struct conf_compression *c, const struct reply *reply)
{
    return (reply->length == REPLY_LENGTH || reply->announce) &&
           reply->content_length < c->min_length;
}

/* --- what the head says --------------------------------------------------------------------- */

static void add_vary(struct stream *s, const struct conf_compression *c)
{
    if (c->vary && !says(s, SLICE("Vary"), SLICE("*")) &&
        !says(s, SLICE("Vary"), SLICE("Accept-Encoding")))
        stream_add_response(s, SLICE("Vary"), SLICE("Accept-Encoding"));
}

/* What the response is from here on. */
static void change_head(struct stream *s, const struct compression *c)
{
    stream_set_response(s, SLICE("Content-Encoding"),
                        c->coding == CONF_CODING_GZIP ? SLICE("gzip") : SLICE("br"));
    stream_drop_response(s, SLICE("Accept-Ranges"));
    weak_tag_set(s);
    c->reply->length = c->reply->length == REPLY_NO_BODY ? REPLY_NO_BODY : REPLY_UNKNOWN;
    c->reply->announce = false;
}

/* --- the filter ----------------------------------------------------------------------------- */

static bool compression_head(struct stream *s, void *state, struct reply *reply)
{
    struct compression *c = state;
    struct accept_encoding client;

    c->reply = reply;
    if (reply->status == 304) {
        weak_tag_answer(s);
        add_vary(s, c->conf);
    }
    if (reply->status == 304 || !may_encode(s, c->conf, reply->status))
        return false;
    read_client(s, &client);
    if (is_short(c->conf, reply) && !accept_encoding_refuses_identity(&client))
        return false;
    add_vary(s, c->conf);
    c->coding = pick(c->conf, &client);
    if (c->coding == CONF_CODING_IDENTITY)
        return false;
    if (reply->length == REPLY_NO_BODY)
        change_head(s, c);
    return true;
}

static int level_of(const struct compression *c)
{
    return c->coding == CONF_CODING_GZIP ? c->conf->gzip_level : c->conf->brotli_level;
}

static uint8_t compression_code(const void *state)
{
    const struct compression *c = state;

    return (uint8_t)((int)c->coding << 4 | level_of(c));
}

static void compression_stored(struct stream *s, void *state)
{
    change_head(s, state);
}

static void begin(struct stream *s, struct compression *c)
{
    c->begun = true;
    c->encoder =
        encoder_take(c->pool, c->coding == CONF_CODING_GZIP ? ENCODER_GZIP : ENCODER_BROTLI,
                     level_of(c), (unsigned)c->conf->max_encoders);
    if (!c->encoder)
        return;
    change_head(s, c);
    body_filter_keep(s);
}

static bool emit(struct stream *s, struct body_filter *f, bool end)
{
    struct compression *c = f->state;
    struct iovec iov = { c->pool->out, c->n };

    c->n = 0;
    return body_filter_pass(s, f, &iov, iov.iov_len > 0, end);
}

static bool run(struct stream *s, struct body_filter *f, enum encoder_step step,
                const struct iovec *from)
{
    struct compression *c = f->state;
    const void *in = from->iov_base;
    size_t in_n = from->iov_len;

    for (;;) {
        size_t room = ENCODER_OUT - c->n;
        enum encoder_result result =
            encoder_run(c->encoder, step, &in, &in_n, c->pool->out + c->n, &room);
        c->n += room;
        if (result == ENCODER_DONE)
            return true;
        if (result == ENCODER_FAILED || !emit(s, f, false))
            return false; /* no memory, or nobody there: the client must see a broken body */
    }
}

static bool compression_body(struct stream *s, struct body_filter *f, struct iovec *iov, int n,
                             bool end)
{
    static const struct iovec nothing;
    struct compression *c = f->state;

    if (!c->begun)
        begin(s, c);
    if (!c->encoder)
        return body_filter_pass(s, f, iov, n, end);
    for (int i = 0; i < n; i++)
        if (!run(s, f, ENCODER_GO_ON, &iov[i]))
            return false;
    c->inside |= n > 0;
    if (!end)
        return c->n == 0 || emit(s, f, false);
    if (!run(s, f, ENCODER_FINISH, &nothing))
        return false;
    if (f->pending) { /* all of it at once: then its length is known */
        c->reply->length = REPLY_LENGTH;
        c->reply->announce = true;
        c->reply->content_length = c->n;
    }
    return emit(s, f, true);
}

static bool compression_flush(struct stream *s, struct body_filter *f)
{
    static const struct iovec nothing;
    struct compression *c = f->state;

    if (!c->begun) /* the head leaves behind this */
        begin(s, c);
    if (!c->encoder || !c->inside)
        return true;
    c->inside = false;
    return run(s, f, ENCODER_FLUSH, &nothing) && (c->n == 0 || emit(s, f, false));
}

static void compression_end(struct stream *s, void *state)
{
    struct compression *c = state;

    (void)s;
    encoder_give(c->pool, &c->encoder);
}

static const struct body_filter_ops compression_filter = {
    .head = compression_head,
    .body = compression_body,
    .flush = compression_flush,
    .end = compression_end,
    .code = compression_code,
    .stored = compression_stored,
};

/* --- the plugin ----------------------------------------------------------------------------- */

/* If-Range with a date, from a client that may hold a part of what was encoded here: the date is
 * the same for all codings, so it is no strong validator, and the range is ignored. */
static void check_range(struct stream *s, const struct conf_compression *config)
{
    const struct head *h = stream_request(s)->head;
    struct slice value = field_value(head_field(h, FIELD_IF_RANGE));
    struct accept_encoding client;

    if (!head_field(h, FIELD_RANGE) || value.n == 0 || value.p[0] == '"' || value.p[0] == 'W')
        return;
    read_client(s, &client);
    if (pick(config, &client) != CONF_CODING_IDENTITY)
        stream_ignore_range(s);
}

static enum stage_result compression_access(struct stream *s, const void *config)
{
    const struct conf_compression *c = config;

    check_range(s, c);
    if (c->offload)
        stream_drop_upstream(s, SLICE("Accept-Encoding"));
    return STAGE_NEXT;
}

static void compression_header_filter(struct stream *s, const void *config)
{
    struct compression *c = arena_take(stream_arena(s), sizeof *c);

    if (!c)
        return;
    *c = (struct compression){ .conf = config, .pool = stream_encoders(s) };
    (void)body_filter_add(s, &compression_filter, c);
}

const struct plugin_ops compression_ops = {
    .kind = CONF_PLUGIN_COMPRESSION,
    .access = compression_access,
    .header_filter = compression_header_filter,
};
