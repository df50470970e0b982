/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Response heads (RFC 9112 section 4) and the framing of their bodies (section 6.3), as strict
 * towards upstreams as towards clients: an answer that two readers could cut differently would end
 * in the next client's connection. Repeated equal Content-Length values are accepted, as RFC 9110
 * section 8.6 allows a recipient; the gateway sends one.
 */
#include "shm/assert.h"
#include "worker/http/head_fields.h"

enum { STATUS_DIGITS = 3 };

/* " NNN" at p, then SP or the line's end: 4, HEAD_MORE, or minus an error. */
static int read_status(const char *p, const char *end, struct head *h)
{
    int status = 0;
    if (p == end)
        return HEAD_MORE;
    if (*p != ' ')
        return -HEAD_POS_STATUS;
    for (int i = 1; i <= STATUS_DIGITS; i++) {
        if (p + i == end)
            return HEAD_MORE;
        unsigned digit = (unsigned char)p[i] - (unsigned)'0';
        if (digit > 9 || (i == 1 && digit == 0))
            return -HEAD_POS_STATUS;
        status = status * 10 + (int)digit;
    }
    h->status = status;
    return 1 + STATUS_DIGITS;
}

/* The status line at p: bytes taken, HEAD_MORE, or minus an error. */
static int read_line(const struct scan_engine *e, const char *low, struct slice rest,
                     struct head *h)
{
    const char *p = rest.p, *end = rest.p + rest.n;
    int taken = head_fields_version(p, end, &h->minor);
    if (taken <= 0)
        return taken == -HEAD_POS_SYNTAX ? -HEAD_POS_STATUS : taken;
    p += taken;
    if ((taken = read_status(p, end, h)) <= 0)
        return taken;
    p += taken;
    if (p < end && *p == ' ') {
        const char *q = e->value(low, ++p, end);
        h->reason = slice_of(p, (size_t)(q - p));
        p = q;
    }
    taken = head_fields_crlf(p, end, -HEAD_POS_STATUS);
    return taken <= 0 ? taken : (int)(p + taken - rest.p);
}

static bool no_body(const struct head *h, enum head_method to)
{
    return to == METHOD_HEAD || h->status < 200 || h->status == 204 || h->status == 304;
}

/* Malformed framing is refused even where no body follows: what sent it cannot be trusted with a
 * kept connection. content_length is kept for HEAD and 304, to be passed on. */
static int check_framing(struct head *h, enum head_method to)
{
    bool length = h->first[FIELD_CONTENT_LENGTH], coding = h->first[FIELD_TRANSFER_ENCODING];
    int e = 0;
    if (length && coding)
        return -HEAD_POS_LENGTH_AND_CODING;
    if (coding)
        e = head_fields_coding(h);
    else if (length)
        e = head_fields_length(h, true);
    if (no_body(h, to))
        h->framing = FRAMING_NONE;
    else if (coding)
        h->framing = FRAMING_CHUNKED;
    else
        h->framing = length ? FRAMING_LENGTH : FRAMING_CLOSE;
    return e;
}

static int check_fields(struct head *h, enum head_method to)
{
    int e = check_framing(h, to);
    h->keep_alive = h->minor == 1;
    if (!e && h->first[FIELD_CONNECTION])
        e = head_fields_connection(h);
    if (h->framing == FRAMING_CLOSE)
        h->keep_alive = false;
    return e;
}

int head_response(const char *buf, size_t n, size_t seen, enum head_method to, struct head *h)
{
    must(seen <= n && n <= INT32_MAX);
    if (seen && !head_fields_complete(buf, n, seen))
        return HEAD_MORE;
    const char *p = buf, *end = buf + n;
    const struct scan_engine *engine = scan_engine(n);
    head_fields_clear(h);
    int taken = read_line(engine, buf, slice_of(p, n), h);
    if (taken <= 0)
        return taken;
    p += taken;
    taken = head_fields_read(engine, buf, slice_of(p, (size_t)(end - p)), h);
    if (taken <= 0)
        return taken;
    p += taken;
    int error = check_fields(h, to);
    return error ? error : (int)(p - buf);
}
