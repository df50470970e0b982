/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a slow peer did not take yet. Usually empty and without memory: bytes go straight from where
 * they lie to the socket, and only what the kernel refuses is copied here. Whoever fills it stops
 * its source until it is empty again, so its size is bounded by one window.
 */
#ifndef WORKER_OUTBUF_H
#define WORKER_OUTBUF_H

#include "worker/tls/transport.h"

struct outbuf {
    char *p;
    uint32_t from, to, cap;
};

static inline bool outbuf_empty(const struct outbuf *o)
{
    return o->from == o->to;
}

static inline size_t outbuf_size(const struct outbuf *o)
{
    return o->to - o->from;
}

/* Sends all vectors after what is kept already; keeps what the kernel does not take. The vectors
 * are used up. False: the connection broke (errno) or there is no memory (ENOMEM). */
bool outbuf_send(struct outbuf *o, struct transport *t, struct iovec *iov, int n);
/* Tries to send what is kept. False: the connection broke. */
bool outbuf_flush(struct outbuf *o, struct transport *t);
void outbuf_free(struct outbuf *o);

#endif
