/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One byte stream, plain or TLS, on an edge-triggered descriptor. It remembers whether the kernel
 * may still have something (readable) or room (writable), so that no call is made only to be told
 * EAGAIN.
 */
#ifndef WORKER_TRANSPORT_H
#define WORKER_TRANSPORT_H

#include "worker/base/loop.h"
#include "worker/tls/tls.h"
#include <sys/types.h>
#include <sys/uio.h>

struct transport {
    struct loop_io io;
    struct tls *tls; /* NULL: plain */
    bool readable, writable;
    bool hangup;      /* the peer sent FIN or the connection broke: read on to the end */
    bool handshaking; /* TLS, not done yet */
};

/* Takes what epoll said into account. */
static inline void transport_event(struct transport *t, uint32_t events)
{
    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        t->readable = true;
    if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
        t->writable = true;
    if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        t->hangup = true;
}

/* > 0: bytes; 0: the end, cleanly; -1: errno EAGAIN (readable is cleared) or what broke. */
ssize_t transport_read(struct transport *t, void *buf, size_t n);

/* Writes as much as the kernel takes. >= 0: bytes; fewer than asked: writable is cleared and the
 * vectors were moved past what went out. -1: it broke, errno. */
ssize_t transport_write(struct transport *t, struct iovec *iov, int n);

/* Closes at once; with TLS a close_notify is tried. `reset`: the peer must see that what it got is
 * not all. */
void transport_close(struct transport *t, bool reset);

#endif
