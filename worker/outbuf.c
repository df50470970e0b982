/* SPDX-License-Identifier: Apache-2.0 */
/* See outbuf.h. Memory is taken when something has to be kept and given back when it is gone. */
#include "worker/outbuf.h"

#include <errno.h>
#include <stdlib.h>

static bool reserve(struct outbuf *o, size_t n)
{
    size_t kept = o->to - o->from;

    if (o->cap - o->to >= n)
        return true;
    if (kept + n > UINT32_MAX / 2) {
        errno = ENOMEM;
        return false;
    }
    char *p = malloc(kept + n);
    if (!p) {
        errno = ENOMEM;
        return false;
    }
    if (kept)
        memcpy(p, o->p + o->from, kept);
    free(o->p);
    *o = (struct outbuf){ .p = p, .to = (uint32_t)kept, .cap = (uint32_t)(kept + n) };
    return true;
}

static bool keep(struct outbuf *o, const struct iovec *iov, int n, size_t skip)
{
    size_t total = 0;

    for (int i = 0; i < n; i++)
        total += iov[i].iov_len;
    if (!reserve(o, total - skip))
        return false;
    for (int i = 0; i < n; i++) {
        size_t drop = skip < iov[i].iov_len ? skip : iov[i].iov_len;
        size_t part = iov[i].iov_len - drop;

        skip -= drop;
        if (part)
            memcpy(o->p + o->to, (char *)iov[i].iov_base + drop, part);
        o->to += (uint32_t)part;
    }
    return true;
}

bool outbuf_send(struct outbuf *o, struct transport *t, struct iovec *iov, int n)
{
    size_t total = 0;

    if (!outbuf_empty(o))
        return keep(o, iov, n, 0) && outbuf_flush(o, t);
    for (int i = 0; i < n; i++)
        total += iov[i].iov_len;
    if (total == 0)
        return true;
    ssize_t sent = transport_write(t, iov, n);
    if (sent < 0)
        return false;
    if ((size_t)sent == total)
        return true;
    /* transport_write() moved the vectors past what went out */
    return keep(o, iov, n, 0);
}

bool outbuf_flush(struct outbuf *o, struct transport *t)
{
    if (outbuf_empty(o))
        return true;
    struct iovec iov = { o->p + o->from, o->to - o->from };
    ssize_t sent = transport_write(t, &iov, 1);
    if (sent < 0)
        return false;
    o->from += (uint32_t)sent;
    if (outbuf_empty(o))
        outbuf_free(o);
    return true;
}

void outbuf_free(struct outbuf *o)
{
    free(o->p);
    *o = (struct outbuf){ 0 };
}
