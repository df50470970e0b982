/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The request as it goes upstream, written anew from what was parsed: hop-by-hop fields are gone,
 * X-Forwarded-* are the gateway's own (a trusted proxy's are believed), and what plugins set stands
 * in place of what the client sent.
 */
#include "worker/address.h"
#include "worker/conn.h"
#include "worker/http/build.h"
#include "worker/upstream/upstream.h"

static struct slice trusted_value(const struct stream *s, enum field_id id, struct slice ours)
{
    struct slice theirs =
        s->request.trusted ? field_value(head_field(&s->head, id)) : (struct slice){ NULL, 0 };

    return theirs.n ? theirs : ours;
}

static char *put_forwarded_for(char *p, const struct stream *s)
{
    char ip[ADDRESS_TEXT];

    p = build_slice(p, SLICE("X-Forwarded-For: "));
    for (const struct field *f = s->request.trusted ? head_field(&s->head, FIELD_X_FORWARDED_FOR)
                                                    : NULL;
         f; f = head_next(&s->head, f)) {
        p = build_slice(p, slice_of(f->value, f->value_n));
        p = build_slice(p, SLICE(", "));
    }
    p = build_slice(p, slice_of(ip, address_text(s->conn->peer_ip, ip)));
    p = build_slice(p, SLICE("\r\nX-Real-IP: "));
    p = build_slice(p, slice_of(ip, address_text(s->request.client_ip, ip)));
    return build_slice(p, SLICE("\r\n"));
}

/* 0: a Unix socket's, which has none. */
static int listen_port(const struct stream *s)
{
    const struct conf_address *a = &s->w->listeners[s->conn->listener].conf->address;

    if (a->u.any.sa_family == AF_INET)
        return ntohs(a->u.in.sin_port);
    return a->u.any.sa_family == AF_INET6 ? ntohs(a->u.in6.sin6_port) : 0;
}

/* An HTTP/1.0 client need not say a Host, nor has a Unix socket a port. */
static char *put_if_any(char *p, struct slice name, struct slice value)
{
    return value.n ? build_field(p, name, value) : p;
}

static char *put_forwarded(char *p, const struct stream *s)
{
    char port[24];
    int listened = listen_port(s);
    struct slice number =
        slice_of(port, listened ? (size_t)(build_number(port, (uint64_t)listened) - port) : 0);
    struct slice prefix = { NULL, 0 };

    p = put_forwarded_for(p, s);
    p = build_field(p, SLICE("X-Forwarded-Proto"),
                    trusted_value(s, FIELD_X_FORWARDED_PROTO,
                                  s->request.secure ? SLICE("https") : SLICE("http")));
    p = put_if_any(p, SLICE("X-Forwarded-Host"),
                   trusted_value(s, FIELD_X_FORWARDED_HOST, s->request.host));
    p = put_if_any(p, SLICE("X-Forwarded-Port"), trusted_value(s, FIELD_X_FORWARDED_PORT, number));
    p = build_field(p, SLICE("X-Forwarded-Path"),
                    trusted_value(s, FIELD_X_FORWARDED_PATH, s->request.uri.path));
    if (s->route->strip_path && s->match.stripped > 1)
        prefix = slice_of(s->request.uri.path.p, s->match.stripped);
    while (prefix.n > 1 && prefix.p[prefix.n - 1] == '/')
        prefix.n--;
    return put_if_any(p, SLICE("X-Forwarded-Prefix"),
                      trusted_value(s, FIELD_X_FORWARDED_PREFIX, prefix));
}

static char *put_query(char *p, const struct stream *s)
{
    if (!s->request.query.p)
        return p;
    *p++ = '?';
    return build_slice(p, s->request.query);
}

/* Kong's joining of the service's path and the rest of the request's: exactly one slash between
 * them. */
static char *put_path(char *p, const struct stream *s)
{
    struct slice base = slice_of(s->service->path.s, s->service->path.n),
                 rest = s->request.uri.path;

    if (s->request.path.p)
        return put_query(build_slice(p, s->request.path), s);
    if (slice_equal(rest, SLICE("*")) && base.n <= 1)
        return build_slice(p, rest); /* about the server as a whole (RFC 9112 section 3.2.4) */
    if (s->route->strip_path && s->match.path)
        rest = slice_from(rest, s->match.stripped);
    if (base.n && base.p[base.n - 1] == '/' && rest.n && *rest.p == '/')
        base.n--;
    p = build_slice(p, base);
    if ((rest.n == 0 && base.n == 0) ||
        (rest.n && *rest.p != '/' && (base.n == 0 || base.p[base.n - 1] != '/')))
        *p++ = '/';
    return put_query(build_slice(p, rest), s);
}

static bool is_host(const struct extra_field *e)
{
    return slice_equal_nocase(e->name, SLICE("Host"));
}

static char *put_host(char *p, const struct stream *s)
{
    const struct conf_service *service = s->service;
    const struct conf_upstream *up = s->peer->upstream;
    struct conf_text named = up == service->upstream ? service->authority : up->name;

    for (const struct extra_field *e = s->request.extra; e; e = e->next)
        if (is_host(e) && e->value.p)
            return build_field(p, SLICE("Host"), e->value);
    if (s->route->preserve_host && s->head.host.n)
        return build_field(p, SLICE("Host"), s->head.host);
    if (up->host_header.n)
        return build_field(p, SLICE("Host"), slice_of(up->host_header.s, up->host_header.n));
    return build_field(p, SLICE("Host"), slice_of(named.s, named.n));
}

/* Whether it takes the place of a field called `as_sent`, which may be taken for `name`. */
static bool replaces(const struct extra_field *e, struct slice as_sent, struct slice name)
{
    char room[FIELD_ALIKE_MAX];

    if (slice_equal_nocase(e->name, as_sent) || slice_equal_nocase(e->name, name))
        return true;
    return e->underscored && slice_equal_nocase(field_alike(e->name, room), name);
}

/* Whether it stays, by the name that it may be taken for: "X_Consumer_ID" is as good a forgery. */
static bool forwards(const struct stream *s, const struct field *f)
{
    char room[FIELD_ALIKE_MAX];
    struct slice as_sent = slice_of(f->name, f->name_n), name = field_alike(as_sent, room);
    enum field_id id = name.p == as_sent.p ? (enum field_id)f->id : field_lookup(name.p, name.n);

    if (f->drop || field_flags(id) & (FIELD_HOP | FIELD_OURS) || field_tells_who(id, name))
        return false;
    if (id == FIELD_FORWARDED && !s->request.trusted)
        return false; /* RFC 7239 says no less than X-Forwarded-*, and may be forged as well */
    for (const struct extra_field *e = s->request.extra; e; e = e->next)
        if (replaces(e, as_sent, name))
            return false;
    return true;
}

static char *put_fields(char *p, const struct stream *s)
{
    for (int i = 0; i < s->head.fields_n; i++) {
        const struct field *f = &s->head.fields[i];
        if (forwards(s, f))
            p = build_field(p, slice_of(f->name, f->name_n), slice_of(f->value, f->value_n));
    }
    for (const struct extra_field *e = s->request.extra; e; e = e->next)
        if (e->value.p && !is_host(e))
            p = build_field(p, e->name, e->value);
    if (s->own)
        return p;
    for (const struct field *f = head_field(&s->head, FIELD_VIA); f; f = head_next(&s->head, f))
        p = build_field(p, SLICE("Via"), slice_of(f->value, f->value_n));
    return build_slice(p, s->head.minor ? SLICE("Via: 1.1 gateway\r\n")
                                        : SLICE("Via: 1.0 gateway\r\n"));
}

static size_t space(const struct stream *s)
{
    /* the path goes out as X-Forwarded-Path, and in two parts in the request line and as
     * X-Forwarded-Prefix; in its normal form it may be longer than what was received */
    size_t n = 2048 + s->service->path.n + s->service->authority.n + 2 * s->request.uri.path.n +
               s->request.query.n + s->request.path.n + s->head.host.n + s->request.host.n +
               s->peer->upstream->host_header.n;

    for (int i = 0; i < s->head.fields_n; i++)
        n += s->head.fields[i].name_n + s->head.fields[i].value_n + 8u;
    for (const struct extra_field *e = s->request.extra; e; e = e->next)
        n += e->name.n + e->value.n + 4;
    return n;
}

struct slice upstream_head(struct stream *s, bool chunked, bool has_length, uint64_t length)
{
    char *start = s->w->scratch, *p = start;

    if (space(s) > WORKER_SCRATCH)
        return (struct slice){ NULL, 0 };
    p = build_slice(p, s->request.method_text.p ? s->request.method_text : s->head.method_text);
    *p++ = ' ';
    p = put_path(p, s);
    p = build_slice(p, SLICE(" HTTP/1.1\r\n"));
    p = put_host(p, s);
    p = put_fields(p, s);
    if (!s->own)
        p = put_forwarded(p, s);
    if (s->head.te_trailers)
        p = build_slice(p, SLICE("TE: trailers\r\nConnection: TE\r\n"));
    if (s->head.upgrade) {
        p = build_slice(p, SLICE("Connection: Upgrade\r\n"));
        for (const struct field *f = head_field(&s->head, FIELD_UPGRADE); f;
             f = head_next(&s->head, f))
            p = build_field(p, SLICE("Upgrade"), slice_of(f->value, f->value_n));
    }
    if (chunked)
        p = build_slice(p, SLICE("Transfer-Encoding: chunked\r\n"));
    if (!chunked && !has_length && s->request.method_text.p && s->request.method != METHOD_GET)
        has_length = true; /* the new method may want a body: that there is none is said */
    if (has_length) {
        p = build_slice(p, SLICE("Content-Length: "));
        p = build_number(p, length);
        p = build_slice(p, SLICE("\r\n"));
    }
    p = build_slice(p, SLICE("\r\n"));
    return slice_of(start, (size_t)(p - start));
}
