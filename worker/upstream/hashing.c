/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One finder a kind of input. The key is a hash of the value's bytes as the client sent them, but
 * for arguments of the query, which are decoded, so that each spelling is the same key. A header in
 * several lines counts with all of them, in order.
 */
#include "worker/upstream/hashing.h"
#include "worker/http/uri.h"

/* What is asked for, of hash_on or of hash_fallback. */
struct wanted {
    enum conf_hash_on what;
    const struct conf_text *header, *cookie, *path, *query_arg, *capture;
};

typedef bool hashing_find(struct stream *s, const struct wanted *wanted);

static bool found(struct stream *s, struct slice value)
{
    if (value.n == 0)
        return false;
    s->tried.key = balance_hash(value.p, value.n);
    s->tried.keyed = true;
    return true;
}

static bool find_ip(struct stream *s, const struct wanted *wanted)
{
    (void)wanted;
    return found(s, slice_of((const char *)s->request.client_ip, sizeof s->request.client_ip));
}

static bool find_consumer(struct stream *s, const struct wanted *wanted)
{
    (void)wanted;
    return s->consumer && found(s, slice_of(s->consumer->id.s, s->consumer->id.n));
}

/* As the upstream is told it: what a plugin set, or else all of the client's lines. */
static bool find_header(struct stream *s, const struct wanted *wanted)
{
    struct slice name = slice_of(wanted->header->s, wanted->header->n);
    uint64_t key = 0;
    bool any = false;

    for (const struct extra_field *e = s->request.extra; e; e = e->next)
        if (slice_equal_nocase(e->name, name))
            return e->value.p && found(s, e->value);
    for (size_t i = 0; i < s->head.fields_n; i++) {
        const struct field *f = &s->head.fields[i];
        if (!slice_equal_nocase(name, slice_of(f->name, f->name_n)) ||
            field_tells_who((enum field_id)f->id, name))
            continue;
        uint64_t line = balance_hash(f->value, f->value_n);
        key = any ? balance_hash((uint64_t[]){ key, line }, 2 * sizeof key) : line;
        any = true;
    }
    s->tried.key = any ? key : s->tried.key;
    s->tried.keyed |= any;
    return any;
}

/* "a=b; c=d" (RFC 6265 section 4.2.1). */
static struct slice cookie_of(const struct stream *s, struct slice name)
{
    for (size_t i = 0; i < s->head.fields_n; i++) {
        const struct field *f = &s->head.fields[i];
        struct slice rest = slice_of(f->value, f->value_n);
        while (f->id == FIELD_COOKIE && rest.n > 0) {
            struct slice pair = field_trim(field_cut(&rest, ';'));
            if (pair.n > name.n && pair.p[name.n] == '=' && memcmp(pair.p, name.p, name.n) == 0)
                return slice_from(pair, name.n + 1);
        }
    }
    return (struct slice){ NULL, 0 };
}

static void set_cookie(struct stream *s, const struct wanted *wanted, struct slice value)
{
    const struct conf_text *path = wanted->path;
    struct slice name = slice_of(wanted->cookie->s, wanted->cookie->n);
    size_t n = name.n + value.n + path->n + 16;
    char *line = arena_take(&s->arena, n);

    if (!line)
        return;
    int used = snprintf(line, n, "%.*s=%.*s; Path=%s", (int)name.n, name.p, (int)value.n, value.p,
                        path->s);
    stream_add_response(s, SLICE("Set-Cookie"), slice_of(line, (size_t)used));
}

static bool find_cookie(struct stream *s, const struct wanted *wanted)
{
    struct slice name = slice_of(wanted->cookie->s, wanted->cookie->n);
    struct slice value = cookie_of(s, name);

    if (value.n == 0) {
        value = stream_request_id(s);
        set_cookie(s, wanted, value);
    }
    return found(s, value);
}

static bool find_path(struct stream *s, const struct wanted *wanted)
{
    (void)wanted;
    return found(s, s->request.uri.path);
}

static struct slice decoded(struct stream *s, struct slice raw)
{
    char *out = raw.n ? arena_take(&s->arena, raw.n) : NULL;
    ptrdiff_t n = out ? uri_decode(raw, true, out, raw.n) : -1;

    return n < 0 ? raw : slice_of(out, (size_t)n);
}

static bool find_query_arg(struct stream *s, const struct wanted *wanted)
{
    struct slice rest = s->request.uri.query, name, value;
    struct slice asked = slice_of(wanted->query_arg->s, wanted->query_arg->n);

    while (rest.n > 0 && uri_query_next(&rest, &name, &value))
        if (name.n >= asked.n && slice_equal(decoded(s, name), asked) &&
            found(s, decoded(s, value)))
            return true;
    return false;
}

static bool find_capture(struct stream *s, const struct wanted *wanted)
{
    const struct conf_path *path = s->match.path;
    int group = path && path->regex ? regex_group(path->regex, wanted->capture->s) : -1;

    if (group < 0 || group >= s->match.captures_n)
        return false;
    struct regex_span span = s->match.captures[group];
    if (span.from > span.to || span.to > s->request.uri.path.n)
        return false;
    return found(s, slice_of(s->request.uri.path.p + span.from, span.to - span.from));
}

static hashing_find *const finders[] = {
    [CONF_HASH_NONE] = NULL,
    [CONF_HASH_IP] = find_ip,
    [CONF_HASH_CONSUMER] = find_consumer,
    [CONF_HASH_HEADER] = find_header,
    [CONF_HASH_COOKIE] = find_cookie,
    [CONF_HASH_PATH] = find_path,
    [CONF_HASH_QUERY_ARG] = find_query_arg,
    [CONF_HASH_URI_CAPTURE] = find_capture,
};

void hashing_key(struct stream *s, const struct conf_upstream *u)
{
    struct wanted on = { u->hash_on,
                         &u->hash_on_header,
                         &u->hash_on_cookie,
                         &u->hash_on_cookie_path,
                         &u->hash_on_query_arg,
                         &u->hash_on_uri_capture };
    struct wanted fallback = {
        u->hash_fallback,        &u->hash_fallback_header,    &u->hash_on_cookie,
        &u->hash_on_cookie_path, &u->hash_fallback_query_arg, &u->hash_fallback_uri_capture
    };

    if (!finders[on.what] || finders[on.what](s, &on) || !finders[fallback.what])
        return;
    finders[fallback.what](s, &fallback);
}
