/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The form of an authority (RFC 3986 section 3.2), narrowed to what can name a server: strict,
 * since routes, caches and upstreams must all read the same name in it.
 */
#include "worker/http/host.h"

enum { PORT_DIGITS = 5, PORT_MAX = 65535, GROUPS = 8 };

static bool digit(char c)
{
    return (unsigned)(c - '0') <= 9;
}

/* ":port" or nothing at p; a colon alone says nothing (RFC 3986 section 3.2.3). */
static bool read_port(const char *p, const char *end, int *port)
{
    *port = 0;
    if (p == end || (*p == ':' && end - p == 1))
        return true;
    if (*p != ':' || end - p > 1 + PORT_DIGITS)
        return false;
    int n = 0;
    for (p++; p < end; p++) {
        if (!digit(*p))
            return false;
        n = n * 10 + (*p - '0');
    }
    *port = n;
    return n > 0 && n <= PORT_MAX;
}

/* Dotted decimal, 0-255 each, no leading zeros, up to end. */
static bool ipv4(const char *p, const char *end)
{
    for (int part = 0; part < 4; part++) {
        int n = 0, digits = 0;
        for (; p < end && digit(*p) && digits < 3; p++, digits++)
            n = n * 10 + (*p - '0');
        if (digits == 0 || n > 255 || (digits > 1 && p[-digits] == '0'))
            return false;
        if (part < 3 && (p == end || *p++ != '.'))
            return false;
    }
    return p == end;
}

static int hex_digits(const char *p, const char *end)
{
    int n = 0;
    while (p + n < end && n < 5 && (digit(p[n]) || (unsigned)((p[n] | 0x20) - 'a') < 6))
        n++;
    return n;
}

/* Groups of hex digits between colons, "::" once, an IPv4 tail. */
static bool ipv6(const char *p, const char *end)
{
    int groups = 0;
    bool gap = false;
    if (end - p >= 2 && p[0] == ':' && p[1] == ':') {
        gap = true;
        p += 2;
    }
    while (p < end) {
        int n = hex_digits(p, end);
        if (n == 0 || n > 4)
            return false;
        if (p + n < end && p[n] == '.')
            return groups + 2 <= GROUPS - gap && (gap || groups == GROUPS - 2) && ipv4(p, end);
        groups++;
        p += n;
        if (p == end)
            break;
        if (*p++ != ':' || p == end)
            return false;
        if (*p == ':') {
            if (gap)
                return false;
            gap = true;
            p++;
        }
    }
    return gap ? groups < GROUPS : groups == GROUPS;
}

bool host_split_in(const struct scan_engine *e, const char *low, struct slice authority,
                   struct slice *name, int *port)
{
    const char *p = authority.p, *end = p + authority.n, *q;
    if (authority.n && *p == '[') {
        q = memchr(p, ']', authority.n);
        if (!q || !ipv6(p + 1, q))
            return false;
        q++;
    } else {
        q = e->host(low, p, end);
        if (!q || q == p)
            return false;
    }
    *name = slice_of(p, (size_t)(q - p));
    return read_port(q, end, port);
}

bool host_split(struct slice authority, struct slice *name, int *port)
{
    return host_split_in(scan_engine(authority.n), authority.p, authority, name, port);
}
