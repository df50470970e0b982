/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text forms of addresses. Nothing here guesses: an address to listen on is numeric, so that the
 * same file listens on the same addresses on each machine; only targets and service hosts may be
 * names.
 */
#include "conf/endpoint.h"
#include "conf/value.h"
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ENDPOINT_WHY = 128 };

static bool read_port(const char *s, size_t n, int *port)
{
    int value = 0;
    if (n == 0 || n > 5)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (s[i] < '0' || s[i] > '9')
            return false;
        value = value * 10 + (s[i] - '0');
    }
    *port = value;
    return value >= 1 && value <= 65535;
}

/* Splits "host", "host:port" or "[ip6]:port"; *port stays when none is written. */
static bool split(struct conf_text text, struct conf_text *host, int *port)
{
    const char *end = text.s + text.n, *colon;
    if (text.n > 0 && text.s[0] == '[') {
        const char *close = memchr(text.s, ']', text.n);
        if (!close)
            return false;
        *host = (struct conf_text){ text.s + 1, (size_t)(close - text.s - 1) };
        colon = close + 1;
        if (!memchr(host->s, ':', host->n))
            return false;
    } else {
        colon = memchr(text.s, ':', text.n);
        colon = colon ? colon : end;
        *host = (struct conf_text){ text.s, (size_t)(colon - text.s) };
    }
    if (host->n == 0)
        return false;
    return colon == end || (*colon == ':' && read_port(colon + 1, (size_t)(end - colon - 1), port));
}

bool endpoint_unix(struct conf_text text, struct sockaddr_storage *addr, socklen_t *len)
{
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    if (strncmp(text.s, "unix:/", 6) != 0 || text.n - 5 >= sizeof un.sun_path)
        return false;
    memcpy(un.sun_path, text.s + 5, text.n - 5);
    memset(addr, 0, sizeof *addr);
    memcpy(addr, &un, sizeof un);
    *len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + text.n - 5 + 1);
    return true;
}

bool endpoint_literal(struct conf_text host, int port, struct sockaddr_storage *addr,
                      socklen_t *len)
{
    char text[INET6_ADDRSTRLEN];
    struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port) };
    if (host.n >= sizeof text)
        return false;
    memcpy(text, host.s, host.n);
    text[host.n] = '\0';
    memset(addr, 0, sizeof *addr);
    if (inet_pton(AF_INET, text, &in.sin_addr) == 1) {
        memcpy(addr, &in, sizeof in);
        *len = sizeof in;
        return true;
    }
    if (inet_pton(AF_INET6, text, &in6.sin6_addr) == 1) {
        memcpy(addr, &in6, sizeof in6);
        *len = sizeof in6;
        return true;
    }
    return false;
}

bool endpoint_six(const char *s, size_t n, char out[ENDPOINT_SIX])
{
    char text[ENDPOINT_SIX];
    struct in6_addr six;
    if (n >= sizeof text || !memchr(s, ':', n))
        return false;
    memcpy(text, s, n);
    text[n] = '\0';
    return inet_pton(AF_INET6, text, &six) == 1 && inet_ntop(AF_INET6, &six, out, ENDPOINT_SIX);
}

/* Such an address is one on each link, and which one is meant is not said. With a zone it is said
 * ("%eth0"), by a name that no other machine knows. */
const char *endpoint_of_a_link(struct conf_text host)
{
    const char *zone = memchr(host.s, '%', host.n);
    char text[ENDPOINT_SIX];
    struct in6_addr six;
    if (zone)
        host.n = (size_t)(zone - host.s);
    if (!endpoint_six(host.s, host.n, text) || inet_pton(AF_INET6, text, &six) != 1 ||
        !(zone || IN6_IS_ADDR_LINKLOCAL(&six)))
        return NULL;
    return "is an address of one link, which cannot be used: take a global or a unique local one";
}

const char *endpoint_address(struct conf_text text, struct conf_address *out)
{
    static const char reason[] = "is not an address: IP:PORT, [IP6]:PORT or unix:/PATH";
    struct sockaddr_storage addr;
    struct conf_text host = { "", 0 };
    const char *of_a_link;
    int port = 0;
    if (strncmp(text.s, "unix:", 5) == 0) {
        if (!endpoint_unix(text, &addr, &out->len))
            return "is not a Unix socket: \"unix:/path\", at most 107 bytes";
    } else if (!split(text, &host, &port)) {
        return reason;
    } else if ((of_a_link = endpoint_of_a_link(host)) != NULL) {
        return of_a_link;
    } else if (port == 0 || !endpoint_literal(host, port, &addr, &out->len)) {
        return reason;
    }
    if (addr.ss_family == AF_INET6 &&
        IN6_IS_ADDR_V4MAPPED(&((struct sockaddr_in6 *)&addr)->sin6_addr)) {
        out->len = 0;
        return "is an IPv4 address: written as one, it can be listened on";
    }
    memcpy(&out->u, &addr, sizeof out->u < sizeof addr ? sizeof out->u : sizeof addr);
    out->text = text;
    return NULL;
}

const char *endpoint_cidr(struct conf_text text, struct conf_cidr *out)
{
    static const char reason[] = "is not a network: IP or IP/BITS";
    static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };
    struct sockaddr_storage addr;
    socklen_t len;
    const char *slash = memchr(text.s, '/', text.n);
    struct conf_text ip = { text.s, slash ? (size_t)(slash - text.s) : text.n };
    if (!endpoint_literal(ip, 0, &addr, &len))
        return reason;
    bool four = addr.ss_family == AF_INET;
    int bits = four ? 32 : 128;
    if (slash) {
        char *end;
        long value = strtol(slash + 1, &end, 10);
        if (slash[1] < '0' || slash[1] > '9' || *end || value > bits)
            return reason;
        bits = (int)value;
    }
    memcpy(out->ip, mapped, sizeof mapped);
    if (four)
        memcpy(out->ip + 12, &((struct sockaddr_in *)&addr)->sin_addr, 4);
    else
        memcpy(out->ip, &((struct sockaddr_in6 *)&addr)->sin6_addr, 16);
    out->bits = bits + (four ? 96 : 0);
    for (int i = out->bits; i < 128; i++)
        out->ip[i / 8] &= (uint8_t) ~(0x80 >> (i % 8));
    return NULL;
}

static bool is_host(struct conf_text host)
{
    char why[ENDPOINT_WHY];
    struct sockaddr_storage addr;
    socklen_t len;
    return endpoint_literal(host, 0, &addr, &len) || value_is_host(host.s, host.n, why, sizeof why);
}

/* NULL, or why the host of a URL or a target cannot be one; `reason`: what is said of most. */
static const char *fault_of(struct conf_text host, const char *reason)
{
    const char *of_a_link = endpoint_of_a_link(host);
    return of_a_link || is_host(host) ? of_a_link : reason;
}

const char *endpoint_url(struct conf_text text, struct endpoint_url *out)
{
    static const char reason[] =
        "is not a URL: http://HOST[:PORT][/PATH] or https://HOST[:PORT][/PATH]";
    char why[ENDPOINT_WHY];
    if (strncmp(text.s, "http://", 7) == 0)
        *out = (struct endpoint_url){ .protocol = CONF_HTTP, .port = 80 };
    else if (strncmp(text.s, "https://", 8) == 0)
        *out = (struct endpoint_url){ .protocol = CONF_HTTPS, .port = 443 };
    else
        return reason;
    const char *begin = text.s + (out->protocol == CONF_HTTP ? 7 : 8), *end = text.s + text.n;
    const char *slash = memchr(begin, '/', (size_t)(end - begin));
    slash = slash ? slash : end;
    out->path = (struct conf_text){ slash, (size_t)(end - slash) };
    if (!split((struct conf_text){ begin, (size_t)(slash - begin) }, &out->host, &out->port))
        return reason;
    const char *fault = fault_of(out->host, reason);
    if (fault)
        return fault;
    if (out->path.n > 0 && !value_is_location(out->path.s, out->path.n, why, sizeof why))
        return "has a path with a character that a path cannot contain";
    return NULL;
}

const char *endpoint_target(struct conf_text text, int port, struct conf_text *host, int *out)
{
    static const char reason[] =
        "is not a target: HOST[:PORT], IP[:PORT], [IP6][:PORT] or unix:/PATH";
    struct sockaddr_storage addr;
    socklen_t len;
    *out = port;
    *host = (struct conf_text){ "", 0 };
    if (strncmp(text.s, "unix:", 5) == 0) {
        *out = 0;
        return endpoint_unix(text, &addr, &len)
                   ? NULL
                   : "is not a Unix socket: \"unix:/path\", at most 107 bytes";
    }
    return split(text, host, out) ? fault_of(*host, reason) : reason;
}

void endpoint_set_port(struct sockaddr_storage *addr, int port)
{
    if (addr->ss_family == AF_INET)
        ((struct sockaddr_in *)addr)->sin_port = htons((uint16_t)port);
    else if (addr->ss_family == AF_INET6)
        ((struct sockaddr_in6 *)addr)->sin6_port = htons((uint16_t)port);
}

void endpoint_text(const struct sockaddr_storage *addr, char out[ENDPOINT_TEXT])
{
    char ip[INET6_ADDRSTRLEN] = "";
    const struct sockaddr_in *in = (const struct sockaddr_in *)addr;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)addr;
    if (addr->ss_family == AF_UNIX) {
        snprintf(out, ENDPOINT_TEXT, "unix:%.108s", ((const struct sockaddr_un *)addr)->sun_path);
    } else if (addr->ss_family == AF_INET) {
        inet_ntop(AF_INET, &in->sin_addr, ip, sizeof ip);
        snprintf(out, ENDPOINT_TEXT, "%s:%u", ip, ntohs(in->sin_port));
    } else {
        inet_ntop(AF_INET6, &in6->sin6_addr, ip, sizeof ip);
        snprintf(out, ENDPOINT_TEXT, "[%s]:%u", ip, ntohs(in6->sin6_port));
    }
}

bool endpoint_is_local(const struct conf_address *address)
{
    if (address->u.any.sa_family == AF_INET)
        return (ntohl(address->u.in.sin_addr.s_addr) >> 24) == 127;
    return address->u.any.sa_family == AF_UNIX || IN6_IS_ADDR_LOOPBACK(&address->u.in6.sin6_addr);
}

bool endpoint_place(const struct conf_target *target, struct conf_address *out, char *text)
{
    struct sockaddr_storage addr;
    if (!(target->host.n == 0 && endpoint_unix(target->target, &addr, &out->len)) &&
        !endpoint_literal(target->host, target->port, &addr, &out->len))
        return false;
    /* as long as its kind: texts are made of the whole struct */
    out->len = addr.ss_family == AF_INET    ? sizeof(struct sockaddr_in)
               : addr.ss_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                            : sizeof(struct sockaddr_un);
    memset(&out->u, 0, sizeof out->u);
    memcpy(&out->u, &addr, out->len);
    endpoint_text(&addr, text);
    out->text = (struct conf_text){ text, strlen(text) };
    return true;
}
