/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For the tests of worker/tls*.c: certificates made on the spot, configurations with just them, and
 * pairs of connections over a socketpair, driven in turns until both sides are where they should
 * be.
 */
#ifndef TESTS_TLS_FIXTURE_H
#define TESTS_TLS_FIXTURE_H

#include "shm/tickets.h"
#include "worker/tls/tls.h"
#include <errno.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define TEXT(literal) ((struct conf_text){ (literal), sizeof(literal) - 1 })

struct pair {
    int server_fd, client_fd;
    struct tls *server, *client;
};

static inline void add_extension(X509 *x, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    assert_non_null(e);
    X509_add_ext(x, e, -1);
    X509_EXTENSION_free(e);
}

/* A certificate over `key` for `names` ("DNS:a,IP:b"), issued by `issuer` (NULL: it is an authority
 * of its own), that ends `days` from now. */
static inline X509 *make_certificate(EVP_PKEY *key, const char *names, X509 *issuer,
                                     EVP_PKEY *issuer_key, int days)
{
    static long serial;
    X509 *x = X509_new();
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(x), -86400L * 30);
    X509_gmtime_adj(X509_getm_notAfter(x), 86400L * days);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
                               (const unsigned char *)(issuer ? "leaf" : "authority"), -1, -1, 0);
    X509_set_issuer_name(x, X509_get_subject_name(issuer ? issuer : x));
    X509_set_pubkey(x, key);
    add_extension(x, issuer ? issuer : x, NID_basic_constraints,
                  issuer ? "critical,CA:FALSE" : "critical,CA:TRUE");
    if (names)
        add_extension(x, issuer ? issuer : x, NID_subject_alt_name, names);
    assert_true(X509_sign(x, issuer_key ? issuer_key : key, EVP_sha256()) > 0);
    return x;
}

static inline struct tls *new_server_side(struct tls_server *server, struct pair *p)
{
    int fds[2];
    assert_int_equal(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds));
    *p = (struct pair){ .server_fd = fds[0], .client_fd = fds[1] };
    p->server = tls_accept(server, fds[0]);
    assert_non_null(p->server);
    return p->server;
}

static inline void open_pair(struct pair *p, struct tls_server *server, struct tls_client *client,
                             const char *sni)
{
    new_server_side(server, p);
    struct slice name = { sni, sni ? strlen(sni) : 0 };
    p->client = tls_connect(client, p->client_fd, 1, name);
    assert_non_null(p->client);
}

/* Lets both sides go on until neither waits; true when both are done. */
static inline bool shake(struct pair *p)
{
    enum tls_state c = TLS_AGAIN, s = TLS_AGAIN;
    for (int i = 0; i < 10; i++) {
        if (c == TLS_AGAIN)
            c = tls_handshake(p->client);
        if (s == TLS_AGAIN)
            s = tls_handshake(p->server);
    }
    return c == TLS_DONE && s == TLS_DONE;
}

static inline void close_pair(struct pair *p)
{
    tls_close(&p->client);
    tls_close(&p->server);
    assert_null(p->client);
    close(p->client_fd);
    close(p->server_fd);
}

static inline ssize_t write_text(struct tls *tls, const char *text)
{
    struct iovec iov = { (void *)(uintptr_t)text, strlen(text) };
    return tls_writev(tls, &iov, 1);
}

/* What the next tls_read() gives must be `text`. */
static inline void expect_text(struct tls *tls, const char *text)
{
    char buf[256];
    bool more;
    ssize_t n = tls_read(tls, buf, sizeof(buf), &more);
    assert_int_equal(strlen(text), n);
    assert_memory_equal(text, buf, (size_t)n);
}

/* The client takes in the tickets that came with the handshake's end; nothing else may be there. */
static inline void expect_nothing(struct tls *tls)
{
    char buf[16];
    bool more;
    assert_int_equal(-1, tls_read(tls, buf, sizeof(buf), &more));
    assert_int_equal(EAGAIN, errno);
    assert_false(more);
}

#endif
