/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections to peers: opened, kept idle, reused, dropped. An idle one that turned readable, or
 * was closed by the peer, is never used: its event is handled before all others of a turn.
 */
#ifndef WORKER_UPSTREAM_H
#define WORKER_UPSTREAM_H

#include "worker/outbuf.h"
#include "worker/stream_life.h"

struct upconn {
    struct transport t; /* first: events come with its io */
    struct timer timer;
    struct loop_later later;
    struct worker *w;
    struct peer *peer; /* held */
    struct peer_pool *pool;
    struct upconn *newer, *older; /* while idle, or watched */
    struct stream *s;             /* NULL: idle */
    char *buf;                    /* response bytes; NULL: none */
    uint32_t from, to, seen;
    struct outbuf out;
    uint32_t requests;
    uint64_t sni;       /* hash of the name that TLS asked for; 0: the service's own */
    int64_t idle_since; /* ms, monotonic */
    int64_t dry, after; /* us, monotonic: `dry`: nothing was there to be read at that moment that is
                         * not read yet; `after`: what was read last came after that */
    uint64_t progress;  /* where the exchange stood when its deadline was set */
    bool connected;     /* the kernel took a byte: the connection stands */
    bool sent;          /* a byte of this request may have gone out */
    bool heard;         /* a byte of its response came */
    bool reused;        /* it carried a request before */
    bool expired;       /* the timer fired */
    bool write_broken;  /* the peer takes no more; what it said may still be read */
    bool watched;       /* upstream_watch() */
    bool hopeless;      /* its peer was found dead before the connection stood */
};

/* An idle connection to the stream's peer, or NULL. `sure`: the kernel is asked at the last moment
 * whether the peer has closed it, for a request that cannot be sent twice. */
struct upconn *upstream_reuse(struct stream *s, bool sure);
/* A new one, on its way; NULL: errno says why not. */
struct upconn *upstream_connect(struct stream *s);
/* Back to the idle ones: the exchange ended cleanly. Closes it when there is no room. */
void upstream_keep(struct upconn **up);
void upstream_drop(struct upconn **up);

/* The memory of response bytes goes back; they are used up. */
void upstream_give_buffer(struct upconn *u);

/* Waits at most `ms` for the next event; 0: no limit. */
void upstream_deadline(struct upconn *u, int ms);

/* Makes room for response bytes and reads. > 0: bytes; 0: the end; -1: errno (EAGAIN, ENOBUFS: the
 * buffer is full). */
ssize_t upstream_read(struct upconn *u);

/* The peer left its set: its idle connections are closed, others finish what they do. */
void upstream_gone(struct worker *w, struct peer *peer);

/* The stream waits for the connection to stand: should its peer go down meanwhile, it is woken,
 * with `hopeless` set. */
void upstream_watch(struct upconn *u);
/* Looks for such. Called about once a second. */
void upstream_reconsider(struct worker *w);

/* Closes connections that were idle for longer than their upstream's keepalive_idle_timeout. Called
 * about once a second. */
void upstream_sweep(struct worker *w);

/* The request's head for the stream's peer, in worker scratch memory. n 0: it does not fit. */
struct slice upstream_head(struct stream *s, bool chunked, bool has_length, uint64_t length);

#endif
