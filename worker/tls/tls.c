/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A TLS connection: handshake, reading, writing, its end, and what can be told of it. OpenSSL's
 * results are turned into errno here. The error queue of OpenSSL is empty when a function returns,
 * and is emptied before one begins, since other users of OpenSSL (tokens, certificates) may have
 * left something.
 */
#include "worker/tls/tls.h"
#include "shm/assert.h"
#include "worker/tls/tls_parts.h"
#include <errno.h>
#include <openssl/err.h>
#include <openssl/sslerr.h>
#include <stdio.h>
#include <stdlib.h>

static char error_text[192]; /* of tls_error(): the worker is single-threaded */

unsigned long tls_drain(void)
{
    unsigned long best = 0, code;
    while ((code = ERR_get_error()) != 0)
        if (!best || (ERR_GET_LIB(code) == ERR_LIB_SSL && ERR_GET_LIB(best) != ERR_LIB_SSL))
            best = code;
    return best;
}

const char *tls_reason(unsigned long code)
{
    const char *text =
        ERR_SYSTEM_ERROR(code) ? strerror(ERR_GET_REASON(code)) : ERR_reason_error_string(code);
    return text ? text : "unknown reason";
}

SSL_CTX *tls_context(const SSL_METHOD *method)
{
    SSL_CTX *ctx = SSL_CTX_new(method);
    if (!ctx)
        return NULL;
    SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(ctx, 1);
    SSL_CTX_set_default_read_buffer_len(ctx, TLS_READ_AHEAD);
    if (SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION))
        return ctx;
    SSL_CTX_free(ctx);
    return NULL;
}

struct tls *tls_of(const SSL *ssl)
{
    return BIO_get_data(SSL_get_rbio(ssl));
}

static struct tls *make(SSL_CTX *ctx, int fd)
{
    struct tls *tls = calloc(1, sizeof(*tls));
    if (!tls)
        return NULL;
    tls->fd = fd;
    tls->ssl = SSL_new(ctx);
    if (tls->ssl && tls_bio_join(tls))
        return tls;
    tls_drain();
    SSL_free(tls->ssl);
    free(tls);
    return NULL;
}

struct tls *tls_accept(struct tls_server *server, int fd)
{
    struct tls *tls = make(tls_server_context(server), fd);
    if (tls)
        SSL_set_accept_state(tls->ssl);
    return tls;
}

struct tls *tls_connect(struct tls_client *client, int fd, uint64_t peer, struct slice sni)
{
    struct tls *tls = make(tls_client_context(client), fd);
    if (!tls)
        return NULL;
    SSL_set_connect_state(tls->ssl);
    if (tls_client_prepare(client, tls, peer, sni))
        return tls;
    tls_close(&tls);
    return NULL;
}

/* --- beginning and ending a call into OpenSSL ----------------------------------------------- */

static void begin(struct tls *tls)
{
    tls->fresh = true;
    if (ERR_peek_error())
        ERR_clear_error();
}

static int errno_of(const struct tls *tls)
{
    if (tls->recv_errno)
        return tls->recv_errno;
    return tls->eof && tls->done ? ECONNABORTED : EPROTO;
}

static void fail(struct tls *tls)
{
    tls->failed = true;
    tls->reason = tls_drain();
    if (tls->eof || tls->recv_errno)
        tls_bio_drop();
    else
        tls_bio_flush(tls); /* the alert */
}

/* What a call that returned no success means: true when it is to be tried again. */
static bool is_again(struct tls *tls)
{
    int error = SSL_get_error(tls->ssl, 0);
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
        return true;
    if (error == SSL_ERROR_ZERO_RETURN)
        tls->ended = true;
    else
        fail(tls);
    return false;
}

enum tls_state tls_handshake(struct tls *tls)
{
    if (tls->failed)
        return TLS_FAILED;
    if (!tls->done) {
        begin(tls);
        tls->done = SSL_do_handshake(tls->ssl) == 1;
        if (!tls->done && !is_again(tls)) {
            tls->failed = true; /* close_notify instead of a handshake is a failure too */
            return TLS_FAILED;
        }
    } else {
        tls->drained = false; /* only sending was left: what the last recv said is out of date */
    }
    bool sent = tls_bio_flush(tls);
    if (tls->send_errno)
        fail(tls);
    return tls->failed ? TLS_FAILED : tls->done && sent ? TLS_DONE : TLS_AGAIN;
}

/* A call that was served by what OpenSSL held, without a recv, says nothing of the socket: the
 * event that came since the last recv has been taken, and no other one will come for those bytes.
 */
static bool has_more(const struct tls *tls)
{
    return !tls->drained || tls->fresh || SSL_has_pending(tls->ssl);
}

bool tls_pending(const struct tls *tls)
{
    return !tls->failed && !tls->ended && has_more(tls);
}

/* Reads while there is room and something to read without a wait. Returns whether the last try gave
 * data. */
static bool read_records(struct tls *tls, char *buf, size_t n, size_t *total)
{
    bool ok;
    do {
        size_t got = 0;
        ok = SSL_read_ex(tls->ssl, buf + *total, n - *total, &got);
        *total += got;
    } while (ok && *total < n && has_more(tls));
    return ok;
}

ssize_t tls_read(struct tls *tls, void *buf, size_t n, bool *more)
{
    must(tls->done && n > 0);
    *more = false;
    if (!tls->failed && !tls->ended) {
        size_t total = 0;
        begin(tls);
        bool ok = read_records(tls, buf, n, &total), again = ok || is_again(tls);
        tls_bio_flush(tls); /* what OpenSSL answered by itself: a key update */
        if (total > 0) {
            *more = ok ? has_more(tls) : !again; /* after data, an end is told by the next call */
            return (ssize_t)total;
        }
        if (again) {
            errno = EAGAIN;
            return -1;
        }
    }
    if (!tls->failed)
        return 0;
    errno = errno_of(tls);
    return -1;
}

/* --- writing -------------------------------------------------------------------------------- */

struct cursor {
    const struct iovec *iov, *end;
    size_t offset;
};

static void skip(struct cursor *c, size_t n)
{
    while (c->iov < c->end && n >= c->iov->iov_len - c->offset) {
        n -= c->iov->iov_len - c->offset;
        c->iov++;
        c->offset = 0;
    }
    c->offset += n;
}

/* The next `n` bytes in one piece: in place when one vector has them, else gathered in the scratch.
 */
static const unsigned char *piece(struct cursor *c, size_t n)
{
    const unsigned char *in_place = (const unsigned char *)c->iov->iov_base + c->offset;
    if (c->iov->iov_len - c->offset >= n) {
        skip(c, n);
        return in_place;
    }
    unsigned char *scratch = tls_bio_scratch();
    for (size_t have = 0; have < n;) {
        size_t part = c->iov->iov_len - c->offset;
        if (part > n - have)
            part = n - have;
        if (part)
            memcpy(scratch + have, (const char *)c->iov->iov_base + c->offset, part);
        have += part;
        skip(c, part);
    }
    return scratch;
}

static size_t length(const struct iovec *iov, int n)
{
    size_t sum = 0;
    for (int i = 0; i < n; i++)
        sum += iov[i].iov_len;
    return sum;
}

/* Seals c's next bytes up to `total`. Returns how many; fewer than `total` on failure. */
static size_t seal(struct tls *tls, struct cursor *c, size_t total)
{
    size_t taken = 0;
    while (taken < total) {
        size_t n = total - taken < TLS_RECORD_MAX ? total - taken : TLS_RECORD_MAX, written = 0;
        tls->last = taken + n == total;
        if (!SSL_write_ex(tls->ssl, piece(c, n), n, &written))
            break;
        must(written == n); /* the way to the socket takes whole records */
        taken += n;
    }
    tls->last = false;
    return taken;
}

static ssize_t refuse(int error)
{
    errno = error;
    return -1;
}

/* Seals and sends up to `total` bytes of c. Returns how many count as taken: all but one when a
 * part of them has to wait, so that the caller comes again for that one and pushes the rest out
 * with it. -1: errno. */
static ssize_t put(struct tls *tls, struct cursor *c, size_t total)
{
    if (ERR_peek_error())
        ERR_clear_error();
    size_t taken = seal(tls, c, total);
    bool sound = taken == total || is_again(tls), sent = tls_bio_flush(tls);
    if (tls->send_errno)
        return refuse(tls->send_errno);
    if (!sound)
        return refuse(errno_of(tls));
    tls->owed = !sent && taken > 0;
    return (ssize_t)(taken - tls->owed);
}

ssize_t tls_writev(struct tls *tls, const struct iovec *iov, int n)
{
    must(tls->done);
    if (tls->failed)
        return refuse(errno_of(tls));
    if (tls->send_errno || (!tls_bio_clean(tls) && !tls_bio_flush(tls)))
        return refuse(tls->send_errno ? tls->send_errno : EAGAIN);

    size_t total = length(iov, n), paid = tls->owed;
    must(total >= paid);
    struct cursor c = { iov, iov + n, 0 };
    skip(&c, paid);
    tls->owed = false;
    total -= paid;
    ssize_t taken = total ? put(tls, &c, total < TLS_WRITE_MAX ? total : TLS_WRITE_MAX) : 0;
    if (taken < 0)
        return -1;
    return taken + (ssize_t)paid > 0 || n == 0 ? taken + (ssize_t)paid : refuse(EAGAIN);
}

/* --- the end -------------------------------------------------------------------------------- */

void tls_end(struct tls *tls)
{
    if (!tls->done || tls->failed || tls->send_errno || !tls_bio_clean(tls) ||
        (SSL_get_shutdown(tls->ssl) & SSL_SENT_SHUTDOWN))
        return;
    tls->last = true;
    SSL_shutdown(tls->ssl);
    tls->last = false;
    tls_bio_flush(tls);
    tls_drain();
}

static void forget(struct tls *tls)
{
    /* Else OpenSSL forbids to resume the session of a connection that just broke off. */
    if (tls->done && !tls->failed)
        SSL_set_shutdown(tls->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(tls->ssl);
    tls_drain();
    free(tls->out);
    free(tls->sni);
    free(tls);
}

void tls_close(struct tls **tls)
{
    struct tls *t = tls ? *tls : NULL;
    if (!t)
        return;
    *tls = NULL;
    tls_end(t);
    forget(t);
}

void tls_abort(struct tls **tls)
{
    struct tls *t = tls ? *tls : NULL;
    if (!t)
        return;
    *tls = NULL;
    forget(t);
}

/* --- what can be told ----------------------------------------------------------------------- */

bool tls_verify_failed(const struct tls *tls)
{
    return tls->failed && tls->client && SSL_get_verify_result(tls->ssl) != X509_V_OK &&
           ERR_GET_REASON(tls->reason) == SSL_R_CERTIFICATE_VERIFY_FAILED;
}

bool tls_plain_http(const struct tls *tls)
{
    return tls->failed && ERR_GET_LIB(tls->reason) == ERR_LIB_SSL &&
           ERR_GET_REASON(tls->reason) == SSL_R_HTTP_REQUEST;
}

const char *tls_error(const struct tls *tls)
{
    if (!tls->failed)
        return "";
    if (tls_verify_failed(tls)) {
        snprintf(error_text, sizeof(error_text), "%s: %s", tls_reason(tls->reason),
                 X509_verify_cert_error_string(SSL_get_verify_result(tls->ssl)));
        return error_text;
    }
    int error = tls->recv_errno ? tls->recv_errno : tls->send_errno;
    if (error)
        return strerror(error);
    if (tls->eof)
        return tls->done ? "closed by peer without close_notify"
                         : "closed by peer during the handshake";
    return tls_reason(tls->reason);
}

struct slice tls_sni(const struct tls *tls)
{
    return tls->sni ? slice_of(tls->sni, strlen(tls->sni)) : (struct slice){ NULL, 0 };
}

struct slice tls_alpn(const struct tls *tls)
{
    const unsigned char *p = NULL;
    unsigned n = 0;
    SSL_get0_alpn_selected(tls->ssl, &p, &n);
    return slice_of((const char *)p, n);
}

const char *tls_version(const struct tls *tls)
{
    return SSL_get_version(tls->ssl);
}

const char *tls_cipher(const struct tls *tls)
{
    return SSL_get_cipher_name(tls->ssl);
}

bool tls_resumed(const struct tls *tls)
{
    return SSL_session_reused(tls->ssl);
}
