/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way between OpenSSL and the socket. Three things differ from OpenSSL's own socket BIO:
 * - A short read is remembered, so that OpenSSL's wish for more inside the same call costs no recv
 * that says EAGAIN.
 * - Writing never says "again" to OpenSSL. Sealed records gather in a stage that all connections
 * share and leave in one send at the end of the call; what the socket does not take is kept with
 * the connection. So OpenSSL never holds a half-written record, and back-pressure is decided in one
 * place, tls_writev().
 * - The stage and the scratch are the process's, not the connection's: it is single-threaded, and
 * between two calls the stage is always empty.
 */
#include "shm/assert.h"
#include "worker/tls/tls_parts.h"
#include <errno.h>
#include <openssl/bio.h>
#include <stdlib.h>
#include <sys/socket.h>

enum {
    LEFT_OVER_MAX = 8 * TLS_RECORD_ROOM
}; /* a peer that makes us answer but reads nothing is given up */

static struct {
    BIO_METHOD *method;
    size_t staged; /* bytes in stage */
    unsigned char stage[TLS_WRITE_MAX + 1024];
    unsigned char scratch[TLS_RECORD_MAX];
} bio;

unsigned char *tls_bio_scratch(void)
{
    return bio.scratch;
}

static bool is_busy(int error)
{
    return error == EAGAIN || error == EWOULDBLOCK;
}

static int bio_read(BIO *b, char *buf, size_t n, size_t *got)
{
    struct tls *tls = BIO_get_data(b);
    *got = 0;
    BIO_clear_retry_flags(b);
    if (tls->drained && !tls->fresh &&
        tls->done) { /* in a handshake, the end of the connection is worth the call */
        BIO_set_retry_read(b);
        return 0;
    }
    ssize_t r;
    do
        r = recv(tls->fd, buf, n, 0);
    while (r < 0 && errno == EINTR);
    tls->fresh = false;
    tls->drained = r < (ssize_t)n;
    if (r > 0) {
        *got = (size_t)r;
        return 1;
    }
    if (r == 0)
        tls->eof = true;
    else if (is_busy(errno))
        BIO_set_retry_read(b);
    else
        tls->recv_errno = errno;
    return 0;
}

/* Keeps bytes that could not be sent behind those that are kept already. */
static void keep(struct tls *tls, const unsigned char *p, size_t n)
{
    size_t have = tls->out_n - tls->out_from;
    if (have + n > LEFT_OVER_MAX) {
        tls->send_errno = ENOBUFS;
        return;
    }
    unsigned char *out = malloc(have + n);
    if (!out) {
        tls->send_errno = ENOMEM;
        return;
    }
    if (have)
        memcpy(out, tls->out + tls->out_from, have);
    memcpy(out + have, p, n);
    free(tls->out);
    tls->out = out;
    tls->out_from = 0;
    tls->out_n = (uint32_t)(have + n);
}

/* Returns bytes sent, 0 when the socket is full, -1 with tls->send_errno. */
static ssize_t send_some(struct tls *tls, struct iovec *iov, size_t n)
{
    struct msghdr message = { .msg_iov = iov, .msg_iovlen = n };
    ssize_t r;
    do
        r = n == 1 ? send(tls->fd, iov->iov_base, iov->iov_len, MSG_NOSIGNAL)
                   : sendmsg(tls->fd, &message, MSG_NOSIGNAL);
    while (r < 0 && errno == EINTR);
    if (r >= 0)
        return r;
    if (is_busy(errno))
        return 0;
    tls->send_errno = errno;
    return -1;
}

/* Sends the stage and `n` bytes at p behind it; keeps what is not taken. */
static void send_staged(struct tls *tls, const unsigned char *p, size_t n)
{
    size_t staged = bio.staged, sent = 0;
    bio.staged = 0;
    if (staged + n == 0)
        return;
    if (tls_bio_clean(tls)) {
        struct iovec iov[2] = { { bio.stage, staged }, { (void *)(uintptr_t)p, n } };
        ssize_t r = send_some(tls, staged ? iov : iov + 1, staged && n ? 2 : 1);
        if (r < 0)
            return;
        sent = (size_t)r;
    }
    size_t of_stage = sent < staged ? sent : staged, of_rest = sent - of_stage;
    if (of_stage < staged)
        keep(tls, bio.stage + of_stage, staged - of_stage);
    if (of_rest < n)
        keep(tls, p + of_rest, n - of_rest);
}

static int bio_write(BIO *b, const char *buf, size_t n, size_t *written)
{
    struct tls *tls = BIO_get_data(b);
    const unsigned char *p = (const unsigned char *)buf;
    BIO_clear_retry_flags(b);
    *written = n; /* also when it fails: who wrote asks tls_bio_flush(), and what came in can still
                     be read */
    if (tls->send_errno)
        return 1;
    if (tls->last || n > sizeof(bio.stage) - bio.staged) {
        send_staged(tls, p, n);
    } else {
        memcpy(bio.stage + bio.staged, p, n);
        bio.staged += n;
    }
    return 1;
}

static void send_kept(struct tls *tls)
{
    if (tls_bio_clean(tls))
        return;
    struct iovec iov = { tls->out + tls->out_from, tls->out_n - tls->out_from };
    ssize_t r = send_some(tls, &iov, 1);
    if (r < 0)
        return;
    tls->out_from += (uint32_t)r;
    if (tls->out_from < tls->out_n)
        return; /* a short send: the socket is full, and an event will say when it is not */
    free(tls->out);
    tls->out = NULL;
    tls->out_from = tls->out_n = 0;
}

bool tls_bio_flush(struct tls *tls)
{
    if (!tls->send_errno)
        send_kept(tls);
    if (!tls->send_errno)
        send_staged(tls, NULL, 0); /* behind what the socket did not take, if there is any */
    tls_bio_drop();
    return !tls->send_errno && tls_bio_clean(tls);
}

void tls_bio_drop(void)
{
    bio.staged = 0;
}

static long bio_ctrl(BIO *b, int command, long number, void *pointer)
{
    (void)number;
    (void)pointer;
    const struct tls *tls = BIO_get_data(b);
    switch (command) {
    case BIO_CTRL_FLUSH:
        return 1; /* tls_bio_flush() does, once, at the end of the call */
    case BIO_CTRL_EOF:
        return tls->eof;
    default:
        return 0;
    }
}

static BIO_METHOD *method(void)
{
    if (bio.method)
        return bio.method;
    BIO_METHOD *m = BIO_meth_new(BIO_TYPE_SOURCE_SINK | BIO_get_new_index(), "worker socket");
    if (!m || !BIO_meth_set_read_ex(m, bio_read) || !BIO_meth_set_write_ex(m, bio_write) ||
        !BIO_meth_set_ctrl(m, bio_ctrl)) {
        BIO_meth_free(m);
        return NULL;
    }
    return bio.method = m;
}

bool tls_bio_join(struct tls *tls)
{
    BIO_METHOD *m = method();
    BIO *b = m ? BIO_new(m) : NULL;
    if (!b)
        return false;
    BIO_set_data(b, tls);
    BIO_set_init(b, 1);
    SSL_set_bio(tls->ssl, b, b);
    return true;
}
