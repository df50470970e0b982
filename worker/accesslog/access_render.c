/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines are built by appending to one buffer, with a limit for each value, and the limits add up to
 * less than the buffer: so nothing here asks for room. A value that is longer than its limit is cut
 * and marked; a hostile one is escaped, by the JSON rules or as \xHH, and never breaks out of its
 * place or its line.
 */
#include "worker/accesslog/access_render.h"
#include "conf/hex.h"
#include "shm/assert.h"
#include "worker/http/json.h"

/* The text values: limit in bytes after escaping. */
#define TEXTS(X)                                                                                   \
    X(client_ip, 64)                                                                               \
    X(method, 32)                                                                                  \
    X(host, 255)                                                                                   \
    X(target, 1024)                                                                                \
    X(protocol, 16)                                                                                \
    X(request_id, 128)                                                                             \
    X(route, 128)                                                                                  \
    X(service, 128)                                                                                \
    X(consumer, 128)                                                                               \
    X(upstream, 128)                                                                               \
    X(cache, 24)                                                                                   \
    X(cache_reason, 64)                                                                            \
    X(referer, 512)                                                                                \
    X(user_agent, 384)                                                                             \
    X(tls_version, 16)                                                                             \
    X(error, 256)

enum {
#define LIMIT_ENUM(name, limit) LIMIT_##name = (limit),
    TEXTS(LIMIT_ENUM)
#undef LIMIT_ENUM
};

enum {
    NUMBER_MAX = 21, /* of 64 bits, with a sign */
    KEY_ROOM = 20,   /* ,"upstream_status": and quotes */
    NUMBERS = 10,
    TIME_ROOM = 40,
    CUT_ROOM = 6, /* what an escape may run over the limit before it is seen to be too long */
#define LIMIT_SUM(name, limit) +(limit) + KEY_ROOM
    JSON_MAX = TIME_ROOM + NUMBERS * (NUMBER_MAX + KEY_ROOM) + CUT_ROOM TEXTS(LIMIT_SUM)
#undef LIMIT_SUM
};
_Static_assert((int)JSON_MAX <= (int)ACCESS_LINE_MAX, "every line fits");

static char *put_bytes(char *p, const char *text, size_t n)
{
    memcpy(p, text, n);
    return p + n;
}

#define put_literal(p, literal) put_bytes((p), (literal), sizeof(literal) - 1)

static char *put_unsigned(char *p, uint64_t number)
{
    char digits[NUMBER_MAX], *d = digits + sizeof(digits);
    do
        *--d = (char)('0' + number % 10);
    while ((number /= 10) != 0);
    return put_bytes(p, d, (size_t)(digits + sizeof(digits) - d));
}

/* `number` with at least `width` digits, zeros in front. */
static char *put_padded(char *p, uint64_t number, int width)
{
    for (int i = width - 1; i >= 0; i--, number /= 10)
        p[i] = (char)('0' + number % 10);
    return p + width;
}

/* --- time: days to dates by the proleptic Gregorian calendar, years that begin in March ----- */

struct moment {
    unsigned year, month, day, hour, minute, second, ms;
};

static struct moment moment_of(int64_t time_ms)
{
    uint64_t ms = time_ms > 0 ? (uint64_t)time_ms : 0, second = ms / 1000 % 86400;
    uint64_t days = ms / 86400000 + 719468; /* since the first of March of the year 0 */
    uint64_t era = days / 146097, of_era = days % 146097;
    uint64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    uint64_t of_year = of_era - (365 * year + year / 4 - year / 100);
    uint64_t month = (5 * of_year + 2) / 153;
    return (struct moment){ .year = (unsigned)(year + era * 400 + (month >= 10)),
                            .month = (unsigned)(month < 10 ? month + 3 : month - 9),
                            .day = (unsigned)(of_year - (153 * month + 2) / 5 + 1),
                            .hour = (unsigned)(second / 3600),
                            .minute = (unsigned)(second / 60 % 60),
                            .second = (unsigned)(second % 60),
                            .ms = (unsigned)(ms % 1000) };
}

static char *put_clock(char *p, const struct moment *m)
{
    p = put_padded(p, m->hour, 2);
    *p++ = ':';
    p = put_padded(p, m->minute, 2);
    *p++ = ':';
    return put_padded(p, m->second, 2);
}

/* --- JSON ----------------------------------------------------------------------------------- */

static char *json_key(char *p, const char *key, size_t n)
{
    p = put_literal(p, ",\"");
    p = put_bytes(p, key, n);
    return put_literal(p, "\":");
}

static char *json_text(char *p, struct slice key, struct slice value, size_t limit)
{
    if (!value.p)
        return p;
    p = json_key(p, key.p, key.n);
    *p++ = '"';
    /* An escape is at most JSON_GROWTH bytes: what was cut for want of room is longer than the
     * limit. */
    size_t n = json_escape(p, limit + JSON_GROWTH, value);
    if (n > limit) {
        n = json_escape(p, limit - 3, value);
        memcpy(p + n, "...", 3);
        n += 3;
    }
    p += n;
    *p++ = '"';
    return p;
}

static char *json_number(char *p, struct slice key, uint64_t number)
{
    return put_unsigned(json_key(p, key.p, key.n), number);
}

/* Microseconds as milliseconds with three decimals. */
static char *json_ms(char *p, struct slice key, int64_t us)
{
    if (us < 0)
        return p;
    p = json_number(p, key, (uint64_t)us / 1000);
    *p++ = '.';
    return put_padded(p, (uint64_t)us % 1000, 3);
}

static char *json_time(char *p, int64_t time_ms)
{
    struct moment m = moment_of(time_ms);
    p = put_literal(p, "{\"time\":\"");
    p = put_padded(p, m.year, 4);
    *p++ = '-';
    p = put_padded(p, m.month, 2);
    *p++ = '-';
    p = put_padded(p, m.day, 2);
    *p++ = 'T';
    p = put_clock(p, &m);
    *p++ = '.';
    p = put_padded(p, m.ms, 3);
    return put_literal(p, "Z\"");
}

#define TEXT(name) p = json_text(p, SLICE(#name), r->name, LIMIT_##name)

size_t access_render_json(const struct access_record *r, char *out, size_t cap)
{
    must(cap >= ACCESS_LINE_MAX);
    char *p = json_time(out, r->time_ms);
    TEXT(client_ip);
    TEXT(method);
    TEXT(host);
    TEXT(target);
    TEXT(protocol);
    p = json_number(p, SLICE("status"), r->status > 0 ? (uint64_t)r->status : 0);
    p = json_number(p, SLICE("bytes_in"), r->bytes_in);
    p = json_number(p, SLICE("bytes_out"), r->bytes_out);
    p = json_number(p, SLICE("body_bytes_out"), r->body_out);
    p = json_ms(p, SLICE("total_ms"), r->total_us);
    p = json_ms(p, SLICE("proxy_ms"), r->proxy_us);
    p = json_ms(p, SLICE("upstream_ms"), r->upstream_us);
    TEXT(request_id);
    TEXT(route);
    TEXT(service);
    TEXT(consumer);
    TEXT(upstream);
    if (r->upstream_status > 0)
        p = json_number(p, SLICE("upstream_status"), (uint64_t)r->upstream_status);
    if (r->tries > 0)
        p = json_number(p, SLICE("tries"), (uint64_t)r->tries);
    TEXT(cache);
    TEXT(cache_reason);
    TEXT(tls_version);
    TEXT(error);
    TEXT(referer);
    TEXT(user_agent);
    p = put_literal(p, "}\n");
    must(p - out <= ACCESS_LINE_MAX);
    return (size_t)(p - out);
}

/* --- combined ------------------------------------------------------------------------------- */

/* `bare`: the value stands without quotes, so a space would break the columns. */
static char *plain_text(char *p, struct slice value, size_t limit, bool bare)
{
    char *end = p + limit - 3;
    if (value.n == 0) {
        *p++ = '-';
        return p;
    }
    for (size_t i = 0; i < value.n; i++) {
        unsigned char c = (unsigned char)value.p[i];
        bool plain = c > (bare ? 0x20 : 0x1f) && c < 0x7f && c != '"' && c != '\\';
        if (end - p < (plain ? 1 : 4))
            return put_literal(p, "...");
        if (plain) {
            *p++ = (char)c;
            continue;
        }
        p = hex_upper(put_literal(p, "\\x"), c);
    }
    return p;
}

static char *plain_time(char *p, int64_t time_ms)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    struct moment m = moment_of(time_ms);
    p = put_padded(p, m.day, 2);
    *p++ = '/';
    p = put_bytes(p, months + 3 * (m.month - 1), 3);
    *p++ = '/';
    p = put_padded(p, m.year, 4);
    *p++ = ':';
    p = put_clock(p, &m);
    return put_literal(p, " +0000");
}

size_t access_render_combined(const struct access_record *r, char *out, size_t cap)
{
    must(cap >= ACCESS_LINE_MAX);
    char *p = plain_text(out, r->client_ip, LIMIT_client_ip, true);
    p = put_literal(p, " - ");
    p = plain_text(p, r->consumer, LIMIT_consumer, true);
    p = put_literal(p, " [");
    p = plain_time(p, r->time_ms);
    p = put_literal(p, "] \"");
    p = plain_text(p, r->method, LIMIT_method, true);
    if (r->method.n > 0) {
        *p++ = ' ';
        p = plain_text(p, r->target, 2 * LIMIT_target, true);
        *p++ = ' ';
        p = plain_text(p, r->protocol, LIMIT_protocol, true);
    }
    p = put_literal(p, "\" ");
    p = put_unsigned(p, r->status > 0 ? (uint64_t)r->status : 0);
    *p++ = ' ';
    p = put_unsigned(p, r->body_out);
    p = put_literal(p, " \"");
    p = plain_text(p, r->referer, LIMIT_referer, false);
    p = put_literal(p, "\" \"");
    p = plain_text(p, r->user_agent, LIMIT_user_agent, false);
    if (r->cache_reason.n > 0) {
        p = put_literal(p, "\" \"");
        p = plain_text(p, r->cache, LIMIT_cache, false);
        p = put_literal(p, ": ");
        p = plain_text(p, r->cache_reason, LIMIT_cache_reason, false);
    }
    p = put_literal(p, "\"\n");
    must(p - out <= ACCESS_LINE_MAX);
    return (size_t)(p - out);
}
