/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a single value may look like. Pure functions over bytes. Names are kept to characters that
 * mean nothing in a URL, a log line, a metric's label or JSON, because they appear in all of these.
 */
#include "conf/value.h"
#include "conf/endpoint.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_alnum(unsigned char c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

static bool refuse(char *why, size_t size, const char *reason)
{
    snprintf(why, size, "%s", reason);
    return false;
}

bool value_size(const char *text, uint64_t *bytes)
{
    uint64_t value = 0;
    const char *p = text;
    for (; *p >= '0' && *p <= '9'; p++)
        if (__builtin_mul_overflow(value, 10u, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*p - '0'), &value))
            return false;
    if (p == text)
        return false;
    unsigned shift = 0;
    if (*p == 'k' || *p == 'K')
        shift = 10;
    else if (*p == 'm' || *p == 'M')
        shift = 20;
    else if (*p == 'g' || *p == 'G')
        shift = 30;
    p += shift != 0;
    if (*p || value > (UINT64_MAX >> shift))
        return false;
    *bytes = value << shift;
    return true;
}

void value_size_text(uint64_t bytes, char out[VALUE_SIZE_TEXT])
{
    static const char units[] = { 0, 'k', 'm', 'g' };
    unsigned unit = 0;
    while (bytes > 0 && unit < 3 && bytes % 1024 == 0) {
        bytes /= 1024;
        unit++;
    }
    int n = snprintf(out, VALUE_SIZE_TEXT, "%llu", (unsigned long long)bytes);
    if (unit > 0) {
        out[n] = units[unit];
        out[n + 1] = '\0';
    }
}

bool value_mode(const char *text, int *mode)
{
    char *end;
    if (*text < '0' || *text > '7' || strlen(text) > 4)
        return false;
    long value = strtol(text, &end, 8);
    if (*end || value > 0777)
        return false;
    *mode = (int)value;
    return true;
}

/* The length of the UTF-8 sequence at s, 0 when it is none (overlong forms and surrogates are
 * none). */
static size_t utf8_length(const unsigned char *s, size_t n)
{
    if (s[0] < 0x80)
        return 1;
    size_t need = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
    if (s[0] < 0xc2 || s[0] > 0xf4 || n < need)
        return 0;
    for (size_t i = 1; i < need; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
        (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
        return 0;
    return need;
}

bool value_is_printable(const char *s, size_t n, char *why, size_t size)
{
    for (size_t i = 0, step; i < n; i += step) {
        step = utf8_length((const unsigned char *)s + i, n - i);
        if (step == 0)
            return refuse(why, size, "is not UTF-8");
        if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f)
            return refuse(why, size, "contains a control character");
    }
    return true;
}

bool value_is_name(const char *s, size_t n, char *why, size_t size)
{
    if (n > 128)
        return refuse(why, size, "is longer than 128 characters");
    for (size_t i = 0; i < n; i++)
        if (!is_alnum((unsigned char)s[i]) && !strchr("-._~", s[i]))
            return refuse(why, size,
                          "is not a name: letters, digits, \"-\", \".\", \"_\" and \"~\"");
    return true;
}

bool value_is_uuid(const char *s, size_t n, char *why, size_t size)
{
    static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
    bool ok = n == sizeof form - 1;
    for (size_t i = 0; ok && i < n; i++)
        ok = form[i] == '-' ? s[i] == '-' : strchr("0123456789abcdefABCDEF", s[i]) != NULL;
    return ok || refuse(why, size, "is not a UUID");
}

bool value_is_token(const char *s, size_t n, char *why, size_t size)
{
    for (size_t i = 0; i < n; i++)
        if (!is_alnum((unsigned char)s[i]) && !strchr("!#$%&'*+-.^_`|~", s[i]))
            return refuse(why, size, "is not a header's name");
    return n > 0 || refuse(why, size, "is not a header's name");
}

bool value_is_route_header(const char *s, size_t n, char *why, size_t size)
{
    if (n == 4 && strncasecmp(s, "host", 4) == 0)
        return refuse(why, size, "is matched by hosts, not by headers");
    return value_is_token(s, n, why, size);
}

bool value_is_probe_header(const char *s, size_t n, char *why, size_t size)
{
    static const char *const ours[] = {
        "connection", "content-length", "transfer-encoding", "upgrade", "te", "trailer", "expect"
    };
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        if (strlen(ours[i]) == n && strncasecmp(s, ours[i], n) == 0)
            return refuse(why, size, "is about the connection, not for a probe to say");
    return value_is_token(s, n, why, size);
}

bool value_is_method(const char *s, size_t n, char *why, size_t size)
{
    for (size_t i = 0; i < n; i++)
        if (s[i] < 'A' || s[i] > 'Z')
            return refuse(why, size, "is not a method in capital letters");
    return true;
}

bool value_is_host(const char *s, size_t n, char *why, size_t size)
{
    size_t label = 0;
    if (n > 253)
        return refuse(why, size, "is longer than a host name may be");
    for (size_t i = 0; i < n; i++) {
        if (s[i] == ':')
            return refuse(why, size, "is not a host name (one without a port)");
        if (s[i] == '.' ? label == 0 : !is_alnum((unsigned char)s[i]) && s[i] != '-' && s[i] != '_')
            return refuse(why, size, "is not a host name");
        label = s[i] == '.' ? 0 : label + 1;
        if (label > 63)
            return refuse(why, size, "has a label of more than 63 characters");
    }
    return n > 0 || refuse(why, size, "is not a host name");
}

bool value_is_sni(const char *s, size_t n, char *why, size_t size)
{
    bool left = n > 2 && s[0] == '*' && s[1] == '.';
    return value_is_host(left ? s + 2 : s, left ? n - 2 : n, why, size);
}

bool value_is_wildcard(const char *s, size_t n, char *why, size_t size)
{
    bool right = n > 2 && s[n - 1] == '*' && s[n - 2] == '.';
    if (right)
        return value_is_host(s, n - 2, why, size);
    if (memchr(s + (n > 0), '*', n - (n > 0)) || (n == 1 && *s == '*'))
        return refuse(why, size, "is not a host name with \"*\" as its first or its last label");
    return value_is_sni(s, n, why, size);
}

/* What may stand in a path as it is: no space, control character, query or fragment. */
static bool is_path_byte(unsigned char c)
{
    return c > 0x20 && c != 0x7f && c != '?' && c != '#';
}

bool value_is_location(const char *s, size_t n, char *why, size_t size)
{
    if (n == 0 || s[0] != '/')
        return refuse(why, size, "does not begin with \"/\"");
    for (size_t i = 0; i < n; i++)
        if (!is_path_byte((unsigned char)s[i]))
            return refuse(why, size, "contains a character that a path cannot contain");
    return true;
}

bool value_is_target(const char *s, size_t n, char *why, size_t size)
{
    const char *query = memchr(s, '?', n);
    for (const char *p = query; p && p < s + n; p++)
        if (*p != '?' && !is_path_byte((unsigned char)*p))
            return refuse(why, size, "contains a character that a query cannot contain");
    return value_is_location(s, query ? (size_t)(query - s) : n, why, size);
}

/* The part up to "]" of what begins with an address in brackets; 0: it does not. */
static size_t bracketed(const char *s, size_t n)
{
    const char *close = n > 2 && *s == '[' ? memchr(s, ']', n) : NULL;
    char six[ENDPOINT_SIX];
    bool sound = close && endpoint_six(s + 1, (size_t)(close - s - 1), six);
    return sound ? (size_t)(close + 1 - s) : 0;
}

bool value_is_route_host(const char *s, size_t n, char *why, size_t size)
{
    return (n && bracketed(s, n) == n) || value_is_wildcard(s, n, why, size);
}

bool value_is_authority(const char *s, size_t n, char *why, size_t size)
{
    size_t six = bracketed(s, n);
    if (six == n && n)
        return true;
    const char *colon = memrchr(s + six, ':', n - six);
    size_t host = colon ? (size_t)(colon - s) : n, port = n - host;
    bool ok = port == 0 || (port > 1 && port <= 6);
    for (size_t i = 1; i < port; i++)
        ok = ok && colon[i] >= '0' && colon[i] <= '9';
    return (ok && (six ? six == host : value_is_host(s, host, why, size))) ||
           refuse(why, size, "is not HOST or HOST:PORT");
}

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Whether the escape at s ("%XX") is needed and in capitals. */
static bool escape_is_normal(const char *s, size_t n)
{
    int high = n > 2 ? hex(s[1]) : -1, low = n > 2 ? hex(s[2]) : -1;
    if (high < 0 || low < 0 || (s[1] >= 'a') || (s[2] >= 'a'))
        return false;
    unsigned char c = (unsigned char)(high * 16 + low);
    return c != 0 && !is_alnum(c) && !strchr("-._~", c);
}

static bool is_dot_segment(const char *s, size_t n)
{
    return (n == 1 && s[0] == '.') || (n == 2 && s[0] == '.' && s[1] == '.');
}

bool value_is_prefix(const char *s, size_t n, char *why, size_t size)
{
    if (!value_is_location(s, n, why, size))
        return false;
    for (size_t from = 1; from <= n;) {
        const char *slash = memchr(s + from, '/', n - from);
        size_t length = slash ? (size_t)(slash - s) - from : n - from;
        if (slash && length == 0)
            return refuse(why, size, "is not normalised: it contains \"//\"");
        if (is_dot_segment(s + from, length))
            return refuse(why, size, "is not normalised: it contains a dot segment");
        from += length + 1;
    }
    for (size_t i = 0; i < n; i++)
        if (s[i] == '%' && !escape_is_normal(s + i, n - i))
            return refuse(
                why, size,
                "is not normalised: \"%\" needs two capital hex digits of a reserved character");
    return true;
}
