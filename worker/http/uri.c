/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Normalisation in one pass. A first loop goes over a path that is normal already, which nearly all
 * are, and copies nothing; at the first byte that is not, the path is written anew, segment by
 * segment: empty and "." segments are left out, ".." takes the last one back, and every byte gets
 * its one spelling: unreserved ones as themselves, the others as received, escapes in upper case,
 * bytes above ASCII always escaped. Merging slashes comes before removing dot segments, as Kong
 * does it. A second run changes nothing.
 */
#include "worker/http/uri.h"
#include "conf/endpoint.h"
#include "conf/hex.h"
#include "worker/http/host.h"

static bool forbidden(unsigned char c)
{
    return c <= ' ' || c == 0x7f;
}

/* An escape at p that stays as it is: of a byte that needs one, in upper case. */
static bool normal_escape(const char *p, const char *end)
{
    int c = hex_escaped(p, end);
    return c > 0 && !hex_is_unreserved(c) && !(p[1] >= 'a') && !(p[2] >= 'a');
}

/* The end of the segment at p as far as it is normal. */
static const char *segment_end(const char *p, const char *end)
{
    for (;;) {
        while (p < end && scan_is(*p, SCAN_PLAIN))
            p++;
        if (p == end || *p != '%' || !normal_escape(p, end))
            return p;
        p += 3;
    }
}

/* Where the path at p stops being normal; *done is set when that is at its end. Dots count only
 * behind a slash. */
static const char *normal_end(const char *p, const char *end, bool *done)
{
    *done = false;
    while (p < end && *p == '/') {
        p++;
        if (p < end && (*p == '/' || *p == '.'))
            return p;
        p = segment_end(p, end);
        *done = p == end || *p == '?';
    }
    return p;
}

struct writer {
    char *begin, *at, *end;
};

static bool put_escape(struct writer *w, unsigned c)
{
    if (w->end - w->at < HEX_ESCAPE)
        return false;
    w->at = hex_escape(w->at, (unsigned char)c);
    return true;
}

static bool put_byte(struct writer *w, char c)
{
    if (w->at == w->end)
        return false;
    *w->at++ = c;
    return true;
}

/* The byte or escape at *p in its one spelling; moves *p. */
static bool put_normal(struct writer *w, const char **p, const char *end)
{
    int c = (unsigned char)**p;
    bool escape = c == '%';
    if (escape && (c = hex_escaped(*p, end)) <= 0)
        return false;
    if (!escape && forbidden((unsigned char)c))
        return false;
    *p += escape ? 3 : 1;
    if ((escape && !hex_is_unreserved(c)) || c >= 0x80)
        return put_escape(w, (unsigned)c);
    return put_byte(w, (char)c);
}

/* The segment that begins behind the slash before `segment` is complete: dot segments act. Says
 * whether the slash that follows is still to be written. */
static bool end_segment(struct writer *w, char **segment)
{
    size_t n = (size_t)(w->at - *segment);
    if (n > 2 || (n >= 1 && (*segment)[0] != '.') || (n == 2 && (*segment)[1] != '.'))
        return true;
    w->at = *segment;
    if (n == 2 && w->at > w->begin + 1) {
        w->at--;
        while (w->at[-1] != '/')
            w->at--;
        *segment = w->at;
    }
    return false;
}

/* Writes the path in [p, end), which begins with a slash. */
static bool write_path(struct writer *w, const char *p, const char *end)
{
    char *segment;
    if (p == end || *p++ != '/' || !put_byte(w, '/'))
        return false;
    segment = w->at;
    while (p < end) {
        if (*p != '/') {
            if (!put_normal(w, &p, end))
                return false;
            continue;
        }
        p++;
        if (!end_segment(w, &segment))
            continue;
        if (!put_byte(w, '/'))
            return false;
        segment = w->at;
    }
    end_segment(w, &segment);
    return true;
}

bool uri_parse(struct slice target, char *out, size_t cap, struct uri *uri)
{
    if (target.n == 0)
        return false;
    const char *p = target.p, *end = target.p + target.n;
    bool done;
    const char *q = normal_end(p, end, &done);
    const char *mark = done ? q : memchr(q, '?', (size_t)(end - q));
    const char *path_end = mark ? mark : end;
    uri->path = slice_of(p, (size_t)(path_end - p));
    uri->query = slice_of(NULL, 0);
    if (path_end < end)
        uri->query = slice_of(path_end + 1, (size_t)(end - path_end - 1));
    if (done)
        return true;
    struct writer w = { out, out, out + cap };
    if (!write_path(&w, p, path_end))
        return false;
    struct slice written = slice_of(out, (size_t)(w.at - out));
    if (!slice_equal(written, uri->path)) /* "/.well-known" only looked abnormal */
        uri->path = written;
    return true;
}

bool uri_query_next(struct slice *rest, struct slice *name, struct slice *value)
{
    while (rest->n) {
        const char *p = rest->p, *end = p + rest->n;
        const char *q = memchr(p, '&', rest->n);
        *rest = q ? slice_of(q + 1, (size_t)(end - q - 1)) : slice_of(end, 0);
        if (!q)
            q = end;
        if (q == p)
            continue;
        const char *equals = memchr(p, '=', (size_t)(q - p));
        *name = slice_of(p, (size_t)((equals ? equals : q) - p));
        *value = equals ? slice_of(equals + 1, (size_t)(q - equals - 1)) : slice_of(NULL, 0);
        return true;
    }
    return false;
}

ptrdiff_t uri_decode(struct slice in, bool plus, char *out, size_t cap)
{
    const char *p = in.p, *end = in.p + in.n;
    size_t n = 0;
    for (; p < end; p++) {
        int c = (unsigned char)*p;
        if (c == '%') {
            if ((c = hex_escaped(p, end)) < 0)
                return -1;
            p += 2;
        } else if (c == '+' && plus) {
            c = ' ';
        }
        if (n == cap)
            return -1;
        out[n++] = (char)c;
    }
    return (ptrdiff_t)n;
}

_Static_assert((int)URI_SIX_MAX == (int)ENDPOINT_SIX + 1, "two brackets, and no terminator");

bool uri_host(struct slice host, char *out, size_t cap, struct slice *name, int *port)
{
    struct slice text;
    char six[ENDPOINT_SIX];
    if (!host_split(host, &text, port) || cap < text.n)
        return false;
    if (*text.p == '[') {
        size_t n = endpoint_six(text.p + 1, text.n - 2, six) ? strlen(six) : 0;
        if (n == 0 || cap < n + 2)
            return false;
        out[0] = '[';
        memcpy(out + 1, six, n);
        out[n + 1] = ']';
        *name = slice_of(out, n + 2);
        return true;
    }
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        out[i] = (unsigned)(c - 'A') < 26 ? (char)(c | 0x20) : c;
    }
    if (out[text.n - 1] == '.')
        text.n--;
    *name = slice_of(out, text.n);
    return true;
}
