/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first stage: the request's head, its path in normal form, how its body is framed, and who the
 * client is. What is malformed or ambiguous ends here, with the connection, and is never forwarded
 * (RFC 9112).
 */
#include "conf/endpoint.h"
#include "worker/address.h"
#include "worker/conn.h"
#include "worker/http/forwarded.h"

static enum stage_result refuse(struct stream *s, int status, const char *why)
{
    static const struct {
        int status;
        const char *text;
    } texts[] = { { 400, "Bad request" },        { 405, "Method not allowed" },
                  { 408, "Request timeout" },    { 414, "URI too long" },
                  { 417, "Expectation failed" }, { 431, "Request header or cookie too large" },
                  { 501, "Not implemented" },    { 505, "HTTP version not supported" } };

    s->cause = why;
    if (s->conn->t.io.fd >= 0) /* a client's, not one of explain.c */
        stats_add(&s->w->stats->bad_requests, 1);
    enum stage_result r = STAGE_DONE;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (texts[i].status == status)
            r = stream_answer(s, status, texts[i].text);
    s->reply.close = true;
    return r;
}

enum walk { WALK_ON, WALK_FOUND, WALK_BROKEN };

/* From the right of one line, the first address that is no trusted proxy's; `ip` is the last one
 * that was read. */
static enum walk walk_line(const struct conf *conf, struct slice list, uint8_t ip[16])
{
    while (list.n > 0) {
        size_t start = list.n;
        while (start > 0 && list.p[start - 1] != ',')
            start--;
        struct slice item = slice_from(list, start);
        while (item.n > 0 && (*item.p == ' ' || *item.p == '\t'))
            item = slice_from(item, 1);
        while (item.n > 0 && (item.p[item.n - 1] == ' ' || item.p[item.n - 1] == '\t'))
            item.n--;
        uint8_t one[16];
        if (!address_parse(item, one))
            return WALK_BROKEN;
        memcpy(ip, one, 16);
        if (!conf_trusts(conf, one))
            return WALK_FOUND;
        list.n = start > 0 ? start - 1 : 0;
    }
    return WALK_ON;
}

/* All lines are one list, and the proxies nearest to us wrote at its end: in the last line, even
 * where the client sent lines of its own. */
static void from_forwarded_for(const struct conf *conf, const struct head *h, uint8_t ip[16])
{
    const struct field *first = head_field(h, FIELD_X_FORWARDED_FOR);

    for (const struct field *f = h->fields + h->fields_n; first && f > first;) {
        f--;
        if (f->id == FIELD_X_FORWARDED_FOR && walk_line(conf, field_value(f), ip) != WALK_ON)
            return;
    }
}

/* The same of Forwarded, which is read in its order, since a quoted text can only be told from its
 * beginning: what is not trusted, and what cannot be read, makes all before it a stranger's word.
 */
static void from_forwarded(const struct conf *conf, const struct head *h, uint8_t ip[16])
{
    bool found = false;
    uint8_t one[16], peer[16];

    memcpy(peer, ip, 16);
    for (const struct field *f = head_field(h, FIELD_FORWARDED); f; f = head_next(h, f)) {
        struct slice rest = field_value(f), node;
        while (forwarded_next(&rest, &node)) {
            bool known = address_parse(node, one);
            if (known && found && conf_trusts(conf, one))
                continue;
            memcpy(ip, known ? one : peer, 16);
            found = known;
        }
    }
}

/* The client's address: the peer's, unless that is a trusted proxy which names another one. */
static void find_client(struct stream *s)
{
    const struct conf *conf = s->w->conf;
    struct request *q = &s->request;

    memcpy(q->client_ip, s->conn->peer_ip, 16);
    q->trusted = conf_trusts(conf, q->client_ip);
    if (!q->trusted)
        return;
    struct slice name = slice_of(conf->real_ip_header.s, conf->real_ip_header.n);
    const struct field *last = NULL; /* a proxy that adds a line adds it behind the client's own */
    for (const struct field *f = head_find(&s->head, name); f; f = head_next(&s->head, f))
        last = f;
    uint8_t ip[16];
    if (slice_equal_nocase(name, SLICE("X-Forwarded-For")))
        from_forwarded_for(conf, &s->head, q->client_ip);
    else if (slice_equal_nocase(name, SLICE("Forwarded")))
        from_forwarded(conf, &s->head, q->client_ip);
    else if (address_parse(field_value(last), ip))
        memcpy(q->client_ip, ip, 16);
}

/* "[0:0::A]" is "[::a]". */
static bool find_six(struct stream *s, struct slice name)
{
    char six[ENDPOINT_SIX];

    if (!endpoint_six(name.p + 1, name.n - 2, six))
        return false;
    s->request.host = arena_print(&s->arena, "[%s]", six);
    s->request.port = s->head.host_port;
    return s->request.host.p != NULL;
}

/* Lower case, without a trailing dot; copied only when it is not so already. */
static bool find_host(struct stream *s)
{
    struct slice name = s->head.host_name;
    bool lower = true;

    if (name.n > 2 && *name.p == '[')
        return find_six(s, name);

    if (name.n > 1 && name.p[name.n - 1] == '.')
        name.n--;
    for (size_t i = 0; i < name.n; i++)
        lower &= !(name.p[i] >= 'A' && name.p[i] <= 'Z');
    s->request.host = name;
    s->request.port = s->head.host_port;
    if (lower)
        return true;
    char *copy = arena_take(&s->arena, name.n);
    if (!copy)
        return false;
    for (size_t i = 0; i < name.n; i++)
        copy[i] = name.p[i] >= 'A' && name.p[i] <= 'Z' ? (char)(name.p[i] | 0x20) : name.p[i];
    s->request.host.p = copy;
    return true;
}

static bool find_target(struct stream *s)
{
    struct request *q = &s->request;
    struct slice target = s->head.path;

    if (slice_equal(target, SLICE("*"))) {
        q->uri = (struct uri){ .path = target };
    } else if (!uri_parse(target, NULL, 0, &q->uri)) {
        char *path = arena_take(&s->arena, 3 * target.n + 1);
        if (!path || !uri_parse(target, path, 3 * target.n + 1, &q->uri))
            return false;
    }
    q->query = q->uri.query;
    return !s->head.host.n || find_host(s);
}

static void begin_intake(struct stream *s)
{
    struct intake *in = &s->intake;

    in->framing = s->head.framing;
    in->left = in->framing == FRAMING_LENGTH ? s->head.content_length : 0;
    in->done = in->framing == FRAMING_NONE || (in->framing == FRAMING_LENGTH && in->left == 0);
    in->limit = s->w->conf->request_body_max_size ? s->w->conf->request_body_max_size : UINT64_MAX;
    upload_begin(&in->clock, &s->w->conf->client_body);
    in->continued = !(s->head.expect_continue && s->head.minor >= 1);
    if (in->framing == FRAMING_CHUNKED)
        chunk_init(&in->chunk, arena_take(&s->arena, CHUNK_TRAILERS_KEPT));
}

/* HTTP by another name or under encryption: behind such an upgrade a client could ask the upstream
 * for what no route and no plugin has seen (h2c: RFC 9113 section 3.1 took it back). */
static bool upgrades_http(const struct head *h)
{
    static const struct slice prefixes[] = { SLICE("h2"), SLICE("HTTP/"), SLICE("TLS") };
    struct slice protocol;

    for (const struct field *f = head_field(h, FIELD_UPGRADE); f; f = head_next(h, f)) {
        struct slice rest = field_value(f);
        while (field_list_next(&rest, &protocol))
            for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
                if (slice_begins_nocase(protocol, prefixes[i]))
                    return true;
    }
    return false;
}

enum stage_result stage_parse(struct stream *s)
{
    int n = s->carrier->read_head(s);

    if (n == 0)
        return STAGE_WAIT;
    if (n == -1)
        return STAGE_FAIL;
    if (n < 0)
        return refuse(s, -n, s->cause);
    conn_deadline(s->conn, CONN_WAIT_NONE, 0);
    s->head_at = s->w->loop.now.us;
    if (s->conn->t.tls) {
        s->request.secure = true;
        s->sni = tls_sni(s->conn->t.tls);
    }
    begin_intake(s);
    if (s->head.upgrade && upgrades_http(&s->head))
        s->head.upgrade = false; /* a server may ignore it (RFC 9110 section 7.8) */
    if (s->head.method == METHOD_CONNECT || s->head.method == METHOD_TRACE)
        return refuse(s, 405, "method refused");
    if (!find_target(s))
        return refuse(s, 400, "malformed request target");
    find_client(s);
    return STAGE_NEXT;
}
