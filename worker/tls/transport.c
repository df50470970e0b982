/* SPDX-License-Identifier: Apache-2.0 */
/*
 * recv and send on non-blocking sockets. A short read from a stream socket means that the queue was
 * empty at that moment; the next byte makes a new edge. Only when a hang-up was announced the end
 * itself has to be read too.
 */
#include "worker/tls/transport.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

static ssize_t read_plain(struct transport *t, void *buf, size_t n)
{
    ssize_t got;

    do
        got = recv(t->io.fd, buf, n, 0);
    while (got < 0 && errno == EINTR);
    if (got < (ssize_t)n && !(got > 0 && t->hangup))
        t->readable = false;
    return got;
}

ssize_t transport_read(struct transport *t, void *buf, size_t n)
{
    if (!t->readable) {
        errno = EAGAIN;
        return -1;
    }
    if (!t->tls)
        return read_plain(t, buf, n);
    bool more = true;
    ssize_t got = tls_read(t->tls, buf, n, &more);
    if (!more && !(got > 0 && t->hangup))
        t->readable = false;
    return got;
}

static ssize_t write_plain(struct transport *t, struct iovec *iov, int n)
{
    struct msghdr message = { .msg_iov = iov, .msg_iovlen = (size_t)n };
    ssize_t sent;

    do
        sent = n == 1 ? send(t->io.fd, iov->iov_base, iov->iov_len, MSG_NOSIGNAL)
                      : sendmsg(t->io.fd, &message, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent;
}

/* Moves the vectors past `sent` bytes; the number of those used up. */
static void advance(struct iovec *iov, int n, size_t sent)
{
    for (; n > 0 && sent > 0; iov++, n--) {
        size_t part = sent < iov->iov_len ? sent : iov->iov_len;

        iov->iov_base = (char *)iov->iov_base + part;
        iov->iov_len -= part;
        sent -= part;
    }
}

ssize_t transport_write(struct transport *t, struct iovec *iov, int n)
{
    size_t total = 0, done = 0;

    for (int i = 0; i < n; i++)
        total += iov[i].iov_len;
    while (done < total && t->writable) {
        for (; n > 1 && iov->iov_len == 0; n--)
            iov++;
        ssize_t sent = t->tls ? tls_writev(t->tls, iov, n) : write_plain(t, iov, n);
        if (sent < 0 && errno != EAGAIN)
            return -1;
        if (sent < 0 || (!t->tls && (size_t)sent < total - done))
            t->writable = false; /* the socket is full: an edge comes when there is room */
        if (sent > 0) {
            done += (size_t)sent;
            if (done < total)
                advance(iov, n, (size_t)sent);
        }
    }
    return (ssize_t)done;
}

void transport_close(struct transport *t, bool reset)
{
    if (t->tls && reset)
        tls_abort(&t->tls);
    else if (t->tls)
        tls_close(&t->tls);
    if (t->io.fd >= 0) {
        struct linger hard = { .l_onoff = 1, .l_linger = 0 };
        if (reset)
            setsockopt(t->io.fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
        close(t->io.fd);
    }
    t->io.fd = -1;
}
