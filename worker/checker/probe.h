/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One probe of one target: a connection (a kept one, or a new one), TLS where the kind has it, then
 * what the kind does with it, all within one deadline. Nothing waits. Each kind is a file ending in
 * a const struct probe_kind.
 */
#ifndef CHECKER_PROBE_H
#define CHECKER_PROBE_H

#include "conf/conf.h"
#include "shm/health.h"
#include "worker/base/pool.h"
#include "worker/http/chunk.h"
#include "worker/http/head.h"
#include "worker/tls/transport.h"

enum { PROBE_BUFFER = 16 * 1024, PROBE_BODY_MAX = 64 * 1024, PROBE_TAKEN_MAX = 1 << 20 };

struct probe;

/* KEEP: the connection may be reused. UNABLE: for want of something of our own. */
enum probe_turn { PROBE_AGAIN, PROBE_KEEP, PROBE_CLOSE, PROBE_UNABLE };

struct probe_kind {
    const char *name;
    bool tls;
    bool speaks; /* its first call writes, and so finds out whether the connection stands */
    /* Goes on over a connection that stands. KEEP, CLOSE: it is over, *seen says what was seen
     * (all but source and took). */
    enum probe_turn (*step)(struct probe *p, struct health_seen *seen);
    /* http: for who wants what comes. The head; then, of status 200, the body in runs up to its
     * end, whatever delimits it. A text: why it is given up. NULL: nobody wants it. */
    void (*head)(struct probe *p, const struct head *h);
    const char *(*data)(struct probe *p, struct slice run);
};

extern const struct probe_kind probe_tcp_kind, probe_http_kind, probe_https_kind;

/* What all probes of a process share. */
struct probe_room {
    struct loop *loop;
    struct pool buffers; /* of PROBE_BUFFER bytes, held while a response is being read */
    struct head *head;   /* used up within one call */
    char *request;       /* the same */
    size_t request_cap;
    uint32_t kept, kept_max; /* connections without a probe */
};

bool probe_room_make(struct probe_room *room, struct loop *loop);
void probe_room_end(struct probe_room *room);

/* Whom to ask and how; what it points to outlives the probe. */
struct probe_subject {
    uint64_t identity;
    struct conf_address address; /* len 0: none is known */
    const struct conf_active *active;
    struct conf_text host;  /* the value of Host */
    struct tls_client *tls; /* NULL: plain */
    bool keep;              /* connections may be kept until the next probe */
};

enum probe_phase { PROBE_REST, PROBE_CONNECT, PROBE_HANDSHAKE, PROBE_EXCHANGE };

/* Zeroed, then room, subject, kind and done are set; t.io.fd is -1. */
struct probe {
    struct transport t; /* first: events come with its io */
    struct timer timer; /* the deadline */
    struct probe_room *room;
    struct probe_subject subject;
    const struct probe_kind *kind;
    /* It is over. `seen` NULL: it could not be made for want of something of our own. */
    void (*done)(struct probe *p, const struct health_seen *seen);
    enum probe_phase phase;
    int64_t began;  /* us, of this probe */
    int64_t opened; /* ms, of the connection */
    bool reused, heard;
    bool parted; /* the target has said all, and that it closes: nobody waits for our end */
    /* http */
    bool sent, body;
    bool keep_alive;
    uint8_t framing; /* enum head_framing */
    uint16_t status;
    uint32_t sent_n, from, to, looked;
    uint64_t left, body_n, taken; /* taken: bytes of all kinds */
    struct chunk chunk;
    char *buf; /* NULL: none */
};

/* Begins; must be at rest. done() may come before it returns. */
void probe_start(struct probe *p);
static inline bool probe_running(const struct probe *p)
{
    return p->phase != PROBE_REST;
}
/* Ends whatever there is, without done(). */
void probe_end(struct probe *p);

/* For kinds: fills *seen; CLOSE. */
enum probe_turn probe_fail(struct health_seen *seen, enum health_cause cause, const char *text);
/* The same for an errno of the connection. */
enum probe_turn probe_broke(const struct probe *p, struct health_seen *seen, int error);

/* The cause that an errno of a connection stands for. */
enum health_cause probe_cause(int error);

#endif
