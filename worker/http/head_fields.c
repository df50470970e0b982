/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules of RFC 9112 that hold for requests and responses alike. Whatever two readers could read
 * differently is an error here, never a guess: the gateway is one of at least two readers.
 */
#include "worker/http/head_fields.h"
#include "shm/assert.h"

enum { VERSION_LENGTH = 8, OPTIONS_MAX = 32, LENGTH_DIGITS = 19 };

void head_fields_clear(struct head *h)
{
    struct slice none = { NULL, 0 };
    h->method = METHOD_OTHER;
    h->method_text = h->target = h->path = none;
    h->authority = h->host = h->host_name = h->reason = none;
    h->host_port = h->status = 0;
    h->minor = 0;
    h->framing = FRAMING_NONE;
    h->content_length = 0;
    h->keep_alive = h->upgrade = h->expect_continue = h->te_trailers = false;
    h->fields_n = 0;
    memset(h->first, 0, sizeof(h->first));
}

/* A lone LF counts as a line end: the parse that follows refuses it, instead of waiting for a CR
 * that never comes. */
bool head_fields_complete(const char *buf, size_t n, size_t seen)
{
    const char *end = buf + n, *p = buf + (seen > 3 ? seen - 3 : 0);
    while ((p = memchr(p, '\n', (size_t)(end - p)))) {
        p++;
        if (p < end && (*p == '\n' || (*p == '\r' && end - p > 1 && p[1] == '\n')))
            return true;
    }
    return false;
}

int head_fields_crlf(const char *p, const char *end, int otherwise)
{
    if (p == end)
        return HEAD_MORE;
    if (*p == '\n')
        return -HEAD_POS_BARE_LF;
    if (*p != '\r')
        return otherwise;
    if (end - p < 2)
        return HEAD_MORE;
    return p[1] == '\n' ? 2 : -HEAD_POS_BARE_CR;
}

int head_fields_version(const char *p, const char *end, int *minor)
{
    static const char shape[VERSION_LENGTH + 1] = "HTTP/0.0";
    if (end - p >= VERSION_LENGTH && memcmp(p, "HTTP/1.1", VERSION_LENGTH) == 0) {
        *minor = 1;
        return VERSION_LENGTH;
    }
    for (int i = 0; i < VERSION_LENGTH; i++) {
        if (p + i == end)
            return HEAD_MORE;
        if (shape[i] == '0' ? (unsigned)(p[i] - '0') > 9 : p[i] != shape[i])
            return -HEAD_POS_SYNTAX;
    }
    *minor = p[7] != '0';
    return p[5] == '1' ? VERSION_LENGTH : -HEAD_POS_VERSION;
}

int head_fields_read(const struct scan_engine *e, const char *low, struct slice rest,
                     struct head *h)
{
    int taken = e->lines(low, rest.p, rest.p + rest.n, h);
    if (taken <= 0)
        return taken;
    must((size_t)taken <= rest.n);
    enum field_id twice = field_identify(h->fields, h->fields_n, h->first);
    if (twice != FIELD_OTHER)
        return twice == FIELD_HOST ? -HEAD_POS_HOST : -HEAD_POS_REPEATED;
    return taken;
}

/* Framing and routing are the gateway's own: a Connection that names them would only hide what was
 * parsed. */
static bool droppable(enum field_id id)
{
    return id != FIELD_HOST && id != FIELD_CONTENT_LENGTH && id != FIELD_TRANSFER_ENCODING;
}

static void drop_named(struct head *h, struct slice name)
{
    enum field_id id = field_lookup(name.p, name.n);
    if (!droppable(id) || (id != FIELD_OTHER && !h->first[id]))
        return;
    for (struct field *f = h->fields; f < h->fields + h->fields_n; f++)
        if (f->id == id &&
            (id != FIELD_OTHER || slice_equal_nocase(name, slice_of(f->name, f->name_n))))
            f->drop = 1;
}

struct connection {
    bool close, keep_alive, upgrade;
    int options;
};

static bool connection_option(struct head *h, struct slice option, struct connection *c)
{
    if (++c->options > OPTIONS_MAX || !scan_all(option, SCAN_TOKEN))
        return false;
    if (slice_equal_nocase(option, SLICE("close")))
        c->close = true;
    else if (slice_equal_nocase(option, SLICE("keep-alive")))
        c->keep_alive = true;
    else if (slice_equal_nocase(option, SLICE("upgrade")))
        c->upgrade = true;
    else
        drop_named(h, option);
    return true;
}

int head_fields_connection(struct head *h)
{
    const struct field *only = head_field(h, FIELD_CONNECTION);
    if (slice_equal_nocase(field_value(only), SLICE("keep-alive")) && !head_next(h, only)) {
        h->keep_alive = true; /* what nearly every client that sends it says */
        return 0;
    }
    struct connection c = { 0 };
    struct slice option;
    for (const struct field *f = head_field(h, FIELD_CONNECTION); f; f = head_next(h, f)) {
        struct slice rest = field_value(f);
        while (field_list_next(&rest, &option))
            if (!connection_option(h, option, &c))
                return -HEAD_POS_CONNECTION;
    }
    h->keep_alive = !c.close && (h->minor == 1 || c.keep_alive);
    h->upgrade = c.upgrade && h->minor == 1 && h->first[FIELD_UPGRADE];
    return 0;
}

/* Transfer-Encoding is not the one word that is understood: which error is it? */
static int coding_error(const struct head *h)
{
    int chunked = 0;
    bool last = false, unknown = false;
    struct slice coding;
    for (const struct field *f = head_field(h, FIELD_TRANSFER_ENCODING); f; f = head_next(h, f)) {
        struct slice rest = field_value(f);
        while (field_list_next(&rest, &coding)) {
            if (!scan_all(coding, SCAN_TOKEN))
                return -HEAD_POS_CODING_SYNTAX;
            last = slice_equal_nocase(coding, SLICE("chunked"));
            chunked += last;
            unknown |= !last;
        }
    }
    if (chunked > 1 || (chunked && !last))
        return -HEAD_POS_CODING_ORDER;
    return unknown ? -HEAD_POS_CODING : -HEAD_POS_CODING_SYNTAX;
}

int head_fields_coding(const struct head *h)
{
    const struct field *f = head_field(h, FIELD_TRANSFER_ENCODING);
    if (h->minor == 0)
        return -HEAD_POS_CODING_VERSION;
    if (slice_equal_nocase(field_value(f), SLICE("chunked")) && !head_next(h, f))
        return 0;
    return coding_error(h);
}

/* Digits only: no sign, space, prefix or list. 19 digits do not overflow 64 bits; what a signed
 * offset cannot hold is refused. */
static bool read_length(struct slice text, uint64_t *out)
{
    uint64_t n = 0;
    if (text.n == 0 || text.n > LENGTH_DIGITS)
        return false;
    for (size_t i = 0; i < text.n; i++) {
        unsigned digit = (unsigned char)text.p[i] - (unsigned)'0';
        if (digit > 9)
            return false;
        n = n * 10 + digit;
    }
    *out = n;
    return n <= INT64_MAX;
}

/* All members of all lines, which must be the same number. */
static bool read_repeated(const struct head *h, uint64_t *out)
{
    struct slice member;
    bool any = false;
    for (const struct field *f = head_field(h, FIELD_CONTENT_LENGTH); f; f = head_next(h, f)) {
        struct slice rest = field_value(f);
        if (!rest.n)
            return false;
        while (field_list_next(&rest, &member)) {
            uint64_t n;
            if (!read_length(member, &n) || (any && n != *out))
                return false;
            *out = n;
            any = true;
        }
    }
    return any;
}

int head_fields_length(struct head *h, bool repeats)
{
    const struct field *f = head_field(h, FIELD_CONTENT_LENGTH);
    bool single = !head_next(h, f) && read_length(field_value(f), &h->content_length);
    if (single || (repeats && read_repeated(h, &h->content_length)))
        return 0;
    return -HEAD_POS_LENGTH;
}
