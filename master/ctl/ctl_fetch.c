/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The answer is read by the gateway's own parsers: a body that ends before its framing says so is a
 * failure, since what was cut was not stored.
 */
#include "master/ctl/ctl_fetch.h"
#include "worker/http/chunk.h"
#include "worker/http/head.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { BUFFER = 65536, STEP_SECONDS = 60, WHOLE_SECONDS = 600, REQUEST_MAX = 32768 };

struct wire {
    int fd;
    SSL *tls;
    SSL_CTX *context;
    time_t until;
    size_t n; /* bytes in the buffer */
    char buffer[BUFFER];
};

/* --- URLs ----------------------------------------------------------------------------------- */

static bool printable(struct slice text)
{
    for (size_t i = 0; i < text.n; i++)
        if ((unsigned char)text.p[i] <= 0x20 || (unsigned char)text.p[i] == 0x7f)
            return false;
    return true;
}

static bool begins(struct slice *text, struct slice with)
{
    if (!slice_begins_nocase(*text, with))
        return false;
    *text = slice_from(*text, with.n);
    return true;
}

bool ctl_fetch_url(struct slice text, struct ctl_fetch_url *out)
{
    *out = (struct ctl_fetch_url){ .https = begins(&text, SLICE("https://")) };
    if ((!out->https && !begins(&text, SLICE("http://"))) || !printable(text))
        return false;
    size_t n = 0;
    while (n < text.n && text.p[n] != '/' && text.p[n] != '?' && text.p[n] != '#')
        n++;
    out->authority = slice_of(text.p, n);
    out->target = slice_from(text, n);
    const char *fragment = out->target.n ? memchr(out->target.p, '#', out->target.n) : NULL;
    if (fragment)
        out->target.n = (size_t)(fragment - out->target.p);
    return n > 0 && memchr(text.p, '@', n) == NULL;
}

/* --- the connection ------------------------------------------------------------------------- */

static socklen_t unix_address(const char *path, struct sockaddr_un *un)
{
    if (strlen(path) >= sizeof un->sun_path)
        return 0;
    *un = (struct sockaddr_un){ .sun_family = AF_UNIX };
    memcpy(un->sun_path, path, strlen(path));
    return sizeof *un;
}

/* 0: not an address. */
static socklen_t read_address(const char *text, struct sockaddr_storage *out)
{
    struct sockaddr_in *in = (struct sockaddr_in *)out;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;
    const char *colon = strrchr(text, ':');
    char host[64];

    memset(out, 0, sizeof *out);
    if (strncmp(text, "unix:", 5) == 0)
        return unix_address(text + 5, (struct sockaddr_un *)out);
    bool six = text[0] == '[';
    size_t n = colon ? (size_t)(colon - text) - (six ? 2 : 0) : 0;
    if (!colon || (size_t)(colon - text) < 3 || n >= sizeof host)
        return 0;
    memcpy(host, text + six, n);
    host[n] = '\0';
    in_port_t port = htons((uint16_t)atoi(colon + 1));
    if (six && inet_pton(AF_INET6, host, &in6->sin6_addr) == 1) {
        in6->sin6_family = AF_INET6;
        in6->sin6_port = port;
        if (IN6_IS_ADDR_UNSPECIFIED(&in6->sin6_addr))
            in6->sin6_addr = in6addr_loopback;
        return sizeof *in6;
    }
    if (inet_pton(AF_INET, host, &in->sin_addr) != 1)
        return 0;
    in->sin_family = AF_INET;
    in->sin_port = port;
    if (in->sin_addr.s_addr == htonl(INADDR_ANY))
        in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return sizeof *in;
}

static const char *open_socket(struct wire *w, const char *address)
{
    const struct timeval patience = { .tv_sec = STEP_SECONDS };
    struct sockaddr_storage to;
    socklen_t n = read_address(address, &to);

    if (n == 0)
        return "the address is not one";
    w->fd = socket(to.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (w->fd < 0)
        return "no socket";
    setsockopt(w->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(w->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    return connect(w->fd, (struct sockaddr *)&to, n) == 0 ? NULL : "cannot connect";
}

/* Whose name the certificate is chosen by: an address is none (RFC 6066 section 3). */
static const char *open_tls(struct wire *w, struct slice authority)
{
    char name[256];
    struct in_addr four;
    const char *colon = memchr(authority.p, ':', authority.n);
    size_t n = colon ? (size_t)(colon - authority.p) : authority.n;

    (void)signal(SIGPIPE, SIG_IGN); /* OpenSSL writes to who has gone as well */
    w->context = SSL_CTX_new(TLS_client_method());
    w->tls = w->context ? SSL_new(w->context) : NULL;
    if (!w->tls || n >= sizeof name)
        return "no TLS";
    memcpy(name, authority.p, n);
    name[n] = '\0';
    if (name[0] != '[' && inet_pton(AF_INET, name, &four) != 1)
        SSL_set_tlsext_host_name(w->tls, name);
    SSL_set_fd(w->tls, w->fd);
    return SSL_connect(w->tls) == 1 ? NULL : "the TLS handshake failed";
}

static void close_wire(struct wire *w)
{
    SSL_free(w->tls);
    SSL_CTX_free(w->context);
    if (w->fd >= 0)
        close(w->fd);
    free(w);
}

static bool put(struct wire *w, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t sent = w->tls ? SSL_write(w->tls, p, (int)n) : send(w->fd, p, n, MSG_NOSIGNAL);
        if (sent <= 0 && (w->tls || errno != EINTR))
            return false;
        p += sent > 0 ? sent : 0;
        n -= sent > 0 ? (size_t)sent : 0;
    }
    return true;
}

/* More into the buffer: bytes, 0 at the end, < 0 for an error. */
static ssize_t fill(struct wire *w)
{
    if (w->n == BUFFER || time(NULL) > w->until)
        return -1;
    for (;;) {
        ssize_t got = w->tls ? SSL_read(w->tls, w->buffer + w->n, (int)(BUFFER - w->n))
                             : recv(w->fd, w->buffer + w->n, BUFFER - w->n, 0);
        if (got < 0 && !w->tls && errno == EINTR)
            continue;
        w->n += got > 0 ? (size_t)got : 0;
        if (got <= 0 && w->tls)
            return SSL_get_error(w->tls, (int)got) == SSL_ERROR_ZERO_RETURN ? 0 : -1;
        return got;
    }
}

/* --- the request ---------------------------------------------------------------------------- */

static const char *ask(struct wire *w, const struct ctl_fetch_url *url, struct slice lines)
{
    char text[REQUEST_MAX];
    bool slash = url->target.n == 0 || url->target.p[0] != '/';
    int n = snprintf(text, sizeof text,
                     "GET %s%.*s HTTP/1.1\r\nHost: %.*s\r\nUser-Agent: gatewayctl/%s\r\n"
                     "Connection: close\r\n%.*s\r\n",
                     slash ? "/" : "", (int)url->target.n, url->target.n ? url->target.p : "",
                     (int)url->authority.n, url->authority.p, GATEWAY_VERSION, (int)lines.n,
                     lines.n ? lines.p : "");

    if (n < 0 || (size_t)n >= sizeof text)
        return "the request is too long";
    return put(w, text, (size_t)n) ? NULL : "the connection broke";
}

static void drop_front(struct wire *w, size_t n)
{
    memmove(w->buffer, w->buffer + n, w->n - n);
    w->n -= n;
}

static void note(const struct head *h, struct ctl_fetch_answer *answer)
{
    struct slice cache = field_value(head_find(h, SLICE("X-Cache-Status")));
    struct slice said = field_value(head_find(h, SLICE("Cache-Status")));

    answer->status = h->status;
    if (cache.n < sizeof answer->cache && cache.n > 0)
        memcpy(answer->cache, cache.p, cache.n);
    answer->stored = said.n > 0 && memmem(said.p, said.n, "; stored", 8) != NULL;
}

/* The final head; what is behind it stays in the buffer. */
static const char *read_head(struct wire *w, struct head *h, struct ctl_fetch_answer *answer)
{
    for (;;) {
        int n = head_response(w->buffer, w->n, 0, METHOD_GET, h);
        if (n < 0)
            return "the answer is malformed";
        if (n > 0) {
            note(h, answer);
            drop_front(w, (size_t)n);
            if (h->status >= 200)
                return NULL;
        } else if (fill(w) <= 0) {
            return "no answer";
        }
    }
}

static const char *read_chunks(struct wire *w, struct ctl_fetch_answer *answer)
{
    struct chunk chunk;

    chunk_init(&chunk, NULL);
    for (;;) {
        struct slice in = slice_of(w->buffer, w->n), run;
        enum chunk_verdict verdict;
        while ((verdict = chunk_next(&chunk, &in, &run)) == CHUNK_DATA)
            answer->bytes += run.n;
        if (verdict == CHUNK_END)
            return NULL;
        w->n = 0;
        if (verdict == CHUNK_BAD || fill(w) <= 0)
            return "the answer was cut";
    }
}

static const char *read_body(struct wire *w, const struct head *h, struct ctl_fetch_answer *answer)
{
    ssize_t got = 1;

    if (h->framing == FRAMING_NONE)
        return NULL;
    if (h->framing == FRAMING_CHUNKED)
        return read_chunks(w, answer);
    while (got > 0) {
        answer->bytes += w->n;
        w->n = 0;
        if (h->framing == FRAMING_LENGTH && answer->bytes >= h->content_length)
            return NULL;
        got = fill(w);
    }
    return h->framing == FRAMING_CLOSE && got == 0 ? NULL : "the answer was cut";
}

const char *ctl_fetch(const char *address, const struct ctl_fetch_url *url, struct slice lines,
                      struct ctl_fetch_answer *answer)
{
    struct wire *w = calloc(1, sizeof *w);
    struct head *h = calloc(1, sizeof *h);
    const char *wrong = "no memory";

    *answer = (struct ctl_fetch_answer){ 0 };
    if (w && h) {
        w->fd = -1;
        w->until = time(NULL) + WHOLE_SECONDS;
        wrong = open_socket(w, address);
        if (!wrong && url->https)
            wrong = open_tls(w, url->authority);
        if (!wrong)
            wrong = ask(w, url, lines);
        if (!wrong)
            wrong = read_head(w, h, answer);
        if (!wrong)
            wrong = read_body(w, h, answer);
    }
    if (w)
        close_wire(w);
    free(h);
    return wrong;
}
