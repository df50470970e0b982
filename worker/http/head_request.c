/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Request heads (RFC 9112 section 3). A first call parses right away, which is all there is to do
 * for nearly every request; a head that arrives in pieces is only searched for its end until that
 * is there. Then the checks of the fields that decide where the request goes and where its body
 * ends. The strictest reading wins: any repeated or listed Content-Length is refused, even of equal
 * numbers, and any Transfer-Encoding but one plain "chunked".
 */
#include "shm/assert.h"
#include "worker/http/head_fields.h"
#include "worker/http/host.h"

enum { METHOD_MAX = 32, EMPTY_LINES_MAX = 4 };

/* Bytes of empty lines before the request line (RFC 9112 section 2.2), few, since each costs at
 * every arrival. */
static int skip_empty_lines(const char *p, const char *end)
{
    const char *begin = p;
    while (p < end && *p == '\r') {
        int e = head_fields_crlf(p, end, 0);
        if (e <= 0)
            return e < 0 ? e : (int)(p - begin);
        p += e;
        if (p - begin > 2 * EMPTY_LINES_MAX)
            return -HEAD_POS_SYNTAX;
    }
    return (int)(p - begin);
}

/* "METHOD " at p: bytes taken, HEAD_MORE, or minus an error. */
static int read_method(const char *p, const char *end, struct head *h)
{
    if (end - p > 4 && memcmp(p, "GET ", 4) == 0) {
        h->method = METHOD_GET;
        h->method_text = slice_of(p, 3);
        return 4;
    }
    size_t n = 0, room = (size_t)(end - p);
    while (n < room && n <= METHOD_MAX && scan_is(p[n], SCAN_TOKEN))
        n++;
    if (n > METHOD_MAX)
        return -HEAD_POS_METHOD;
    if (n == room || (n == 0 && p[0] == '\r'))
        return HEAD_MORE;
    if (n == 0 || p[n] != ' ')
        return -HEAD_POS_METHOD;
    h->method_text = slice_of(p, n);
    h->method = head_method(p, n);
    return (int)n + 1;
}

/* After the target: " HTTP/1.x CR LF", bytes taken, HEAD_MORE, or minus an error. */
static int read_line_rest(const char *p, const char *end, struct head *h)
{
    if (p == end)
        return HEAD_MORE;
    if (*p != ' ')
        return *p == '\r' || *p == '\n' ? -HEAD_POS_SYNTAX : -HEAD_POS_TARGET;
    int version = head_fields_version(p + 1, end, &h->minor);
    if (version <= 0)
        return version;
    int crlf = head_fields_crlf(p + 1 + version, end, -HEAD_POS_SYNTAX);
    return crlf <= 0 ? crlf : 1 + version + crlf;
}

static size_t scheme_length(struct slice target)
{
    if (target.n > 7 && slice_equal_nocase(slice_of(target.p, 7), SLICE("http://")))
        return 7;
    if (target.n > 8 && slice_equal_nocase(slice_of(target.p, 8), SLICE("https://")))
        return 8;
    return 0;
}

/* Checks *authority and takes a colon without a port off it: nobody behind sees two spellings. */
static bool split(const struct scan_engine *e, const char *low, struct slice *authority,
                  struct head *h)
{
    if (!host_split_in(e, low, *authority, &h->host_name, &h->host_port))
        return false;
    if (!h->host_port)
        *authority = h->host_name;
    return true;
}

/* The authority of the target, checked before Host is known. */
static bool split_authority(const struct scan_engine *e, struct head *h)
{
    return split(e, h->authority.p, &h->authority, h);
}

/* "http://authority/path?query". An empty path is "/", or "*" for OPTIONS (RFC 9112 section 3.2.4).
 * An empty path before a query is refused: no slice of the buffer says "/?query". */
static bool absolute_form(const struct scan_engine *e, struct head *h)
{
    size_t n = scheme_length(h->target);
    if (!n)
        return false;
    const char *p = h->target.p + n, *end = h->target.p + h->target.n, *q = p;
    while (q < end && *q != '/' && *q != '?')
        q++;
    h->authority = slice_of(p, (size_t)(q - p));
    h->path = slice_of(q, (size_t)(end - q));
    if (q == end)
        h->path = h->method == METHOD_OPTIONS ? SLICE("*") : SLICE("/");
    return (q == end || *q == '/') && split_authority(e, h);
}

static bool read_target(const struct scan_engine *e, struct head *h)
{
    struct slice t = h->target;
    if (h->method == METHOD_CONNECT) {
        h->authority = t;
        return split_authority(e, h) && h->host_port;
    }
    if (t.p[0] == '/') {
        h->path = t;
        return true;
    }
    if (t.n == 1 && t.p[0] == '*') {
        h->path = t;
        return h->method == METHOD_OPTIONS;
    }
    return absolute_form(e, h);
}

/* The request line at p: bytes taken, HEAD_MORE, or minus an error. */
static int read_line(const struct scan_engine *e, const char *low, struct slice rest,
                     struct head *h)
{
    const char *p = rest.p, *end = rest.p + rest.n;
    int method = read_method(p, end, h);
    if (method <= 0)
        return method;
    const char *q = e->target(low, p + method, end);
    int tail = read_line_rest(q, end, h);
    if (tail <= 0)
        return tail;
    h->target = slice_of(p + method, (size_t)(q - p) - (size_t)method);
    if (h->target.n == 0 || !read_target(e, h))
        return -HEAD_POS_TARGET;
    return (int)(q - p) + tail;
}

/* An empty Host is ill-formed here: requests are routed by it. HTTP/1.0 may do without. */
static int check_host(const struct scan_engine *e, const char *low, struct head *h)
{
    const struct field *f = head_field(h, FIELD_HOST);
    if (!f) {
        h->host = h->authority;
        return h->minor == 0 ? 0 : -HEAD_POS_HOST;
    }
    h->host = field_value(f);
    if (!split(e, low, &h->host, h))
        return -HEAD_POS_HOST;
    if (h->authority.p && !slice_equal_nocase(h->authority, h->host))
        return -HEAD_POS_HOST_DIFFERS;
    return 0;
}

static int check_framing(struct head *h)
{
    int e = 0;
    bool length = h->first[FIELD_CONTENT_LENGTH], coding = h->first[FIELD_TRANSFER_ENCODING];
    if (length && coding)
        return -HEAD_POS_LENGTH_AND_CODING;
    if (coding) {
        e = head_fields_coding(h);
        h->framing = FRAMING_CHUNKED;
    } else if (length) {
        e = head_fields_length(h, false);
        h->framing = FRAMING_LENGTH;
    }
    return e;
}

/* HTTP/1.0 clients cannot wait for a 100: their Expect says nothing (RFC 9110 section 10.1.1). */
static int check_expect(struct head *h)
{
    if (h->minor == 0)
        return 0;
    for (const struct field *f = head_field(h, FIELD_EXPECT); f; f = head_next(h, f)) {
        if (!slice_equal_nocase(field_value(f), SLICE("100-continue")))
            return -HEAD_POS_EXPECT;
        h->expect_continue = true;
    }
    return 0;
}

static void read_te(struct head *h)
{
    struct slice member;
    for (const struct field *f = head_field(h, FIELD_TE); f; f = head_next(h, f)) {
        struct slice rest = field_value(f);
        while (field_list_next(&rest, &member))
            h->te_trailers |= slice_equal_nocase(member, SLICE("trailers"));
    }
}

static int check_fields(struct head *h)
{
    int e = check_framing(h);
    if (!e && h->first[FIELD_EXPECT])
        e = check_expect(h);
    h->keep_alive = h->minor == 1;
    if (!e && h->first[FIELD_CONNECTION])
        e = head_fields_connection(h);
    if (h->first[FIELD_TE])
        read_te(h);
    return e;
}

int head_request(const char *buf, size_t n, size_t seen, struct head *h)
{
    must(seen <= n && n <= INT32_MAX);
    if (seen && !head_fields_complete(buf, n, seen))
        return HEAD_MORE;
    const char *p = buf, *end = buf + n;
    const struct scan_engine *engine = scan_engine(n);
    head_fields_clear(h);
    int taken = skip_empty_lines(p, end);
    if (taken < 0)
        return taken;
    p += taken;
    if (p == end || (taken = read_line(engine, buf, slice_of(p, (size_t)(end - p)), h)) <= 0)
        return p == end ? HEAD_MORE : taken;
    p += taken;
    taken = head_fields_read(engine, buf, slice_of(p, (size_t)(end - p)), h);
    if (taken <= 0)
        return taken;
    p += taken;
    int error = check_host(engine, buf, h);
    if (!error)
        error = check_fields(h);
    return error ? error : (int)(p - buf);
}
