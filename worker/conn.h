/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Client connections: accepted, driven by events, kept alive, closed. What is spoken on them is
 * h1.c's business.
 */
#ifndef WORKER_CONN_H
#define WORKER_CONN_H

#include "worker/outbuf.h"
#include "worker/stream_life.h"

struct listener {
    struct loop_io io;
    struct worker *w;
    const struct conf_listen *conf;
    bool watched;
};

enum conn_wait {
    CONN_WAIT_NONE,
    CONN_WAIT_HANDSHAKE,
    CONN_WAIT_IDLE,
    CONN_WAIT_HEAD,
    CONN_WAIT_BODY,
    CONN_WAIT_WRITE,
    CONN_WAIT_LINGER
};

struct conn {
    struct transport t; /* first: events come with its io */
    struct timer timer;
    struct loop_later later;
    struct worker *w;
    struct conn *prev, *next;
    struct stream *stream; /* NULL: idle */
    char *buf;             /* NULL: nothing was read; from a pool by its size */
    uint32_t cap, from, to;
    uint32_t seen; /* bytes of an incomplete head that were searched already */
    uint32_t requests;
    uint32_t lingers_since; /* ms, monotonic, the lower 32 bits */
    struct outbuf out;
    uint8_t peer_ip[16];
    uint16_t peer_port;
    uint8_t listener;
    uint8_t wait;       /* enum conn_wait: what the timer is for */
    bool expired;       /* the timer fired for what is waited for */
    bool closing;       /* Connection: close was or will be said */
    bool client_closes; /* the client said it */
    bool draining;      /* the answer is out, the rest of the request's body is read and dropped */
    bool put_off;       /* `later` is under way: to go on, or to free the memory */
    uint32_t turn_left; /* bytes that may still be moved before others have their turn */
};

/* A listener that nothing is accepted on yet. */
void conn_listen(struct worker *w, struct listener *l, int fd, const struct conf_listen *conf);
/* Stops accepting on it. */
void conn_unlisten(struct listener *l);
/* All listeners, for `ms`: out of descriptors or memory, or others have room. */
void conn_pause(struct worker *w, int ms);
/* Accepts on all of them, from the start on or again. */
void conn_resume(struct worker *w);

/* Lets the connection go on after something that its stream waited for. */
void conn_drive(struct conn *c);

/* Counts bytes that were moved. False: enough for one turn, the caller stops as if it had to wait;
 * the connection goes on by itself when others had theirs. For every loop that only a peer ends. */
bool conn_may_go_on(struct conn *c, size_t moved);

/* Something is waited for at most `ms` from now; CONN_WAIT_NONE: nothing is. */
void conn_deadline(struct conn *c, enum conn_wait what, int ms);

/* The process retires: idle connections are told with their next answer; those that stay idle are
 * closed in time. */
void conn_retire(struct worker *w);

/* The pool that a read buffer of `cap` bytes belongs to. */
void conn_give_buffer(struct conn *c);

#endif
