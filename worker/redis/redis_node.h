/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One Redis server and the one connection of this worker to it. Questions of a turn of the loop
 * leave together at its end; answers come in their order. What can fail is found out in events and
 * timers, never while somebody asks, so that nobody is called back from within a call.
 *
 * A server that failed is left alone for a while, longer each time; then one question is the trial.
 * It counts as being there again when that was answered.
 */
#ifndef WORKER_REDIS_NODE_H
#define WORKER_REDIS_NODE_H

#include "conf/redis_fields.h"
#include "worker/outbuf.h"
#include "worker/redis/redis_answer.h"

struct worker;
struct redis_node;

enum { REDIS_ARGUMENTS = 800, REDIS_QUESTIONS_MAX = 1 << 16, REDIS_OUT_MAX = 8 << 20 };

struct redis_script {
    struct slice text;
    char sha[41]; /* in hex, terminated */
};

/* A command and who waits for its answer. Owned by the node that it is given to until answered().
 */
struct redis_question {
    struct redis_question *next;
    void (*done)(void *owner, const struct redis_reply *reply); /* NULL: nobody waits any more */
    void *owner;
    int64_t due;                       /* ms, monotonic */
    const struct redis_script *script; /* NULL: args are the whole command */
    unsigned slot;
    int redirections;
    bool whole, asking; /* sent as text, not by its hash; ASKING goes before it */
    size_t args_n;
    struct slice args[]; /* what follows the hash: count of keys, keys, arguments */
};

/* What the first words of a connection end with. */
enum redis_greeting { REDIS_GREET_PING, REDIS_GREET_ROLE, REDIS_GREET_SLOTS, REDIS_GREET_MASTER };

struct redis_node_ops {
    /* It is to connect, and where to is not known. */
    void (*lost)(struct redis_node *node);
    /* The last greeting's answer, which may be an error. NULL: go on; else why not. */
    const char *(*greeted)(struct redis_node *node, const struct redis_reply *reply);
    /* The question is the caller's again. `reply` NULL: none came. */
    void (*answered)(struct redis_node *node, struct redis_question *q,
                     const struct redis_reply *reply);
    /* It failed, and all of its questions have been answered(). */
    void (*failed)(struct redis_node *node);
};

enum redis_state { REDIS_CLOSED, REDIS_CONNECTING, REDIS_GREETING, REDIS_OPEN };

struct redis_queue {
    struct redis_question *first, **end;
    size_t n;
};

struct redis_node {
    struct transport t; /* first: events come with its io */
    struct timer timer;
    struct loop_later later;
    struct worker *w;
    const struct conf_redis *conf;
    const struct redis_node_ops *ops;
    void *owner;
    char host[REDIS_HOST_MAX + 1]; /* "" with a Unix socket */
    char text[REDIS_HOST_MAX + 16];
    struct conf_address place; /* len 0: the host is a name */
    int port;
    enum redis_greeting greeting;
    enum redis_state state;
    struct conf_service service; /* what TLS needs to know, in its terms */
    struct tls_client *tls;      /* NULL: not used yet, or plain */
    struct redis_queue waiting, sent;
    struct redis_reader *reader;
    struct outbuf out;
    char *batch; /* of this turn */
    size_t batch_n, batch_cap;
    int greetings;       /* answers that are still to come before questions may go */
    int64_t connect_due; /* ms, monotonic */
    int64_t retry_at;    /* not before that */
    int64_t down_since;  /* 0: it is not known to be down */
    int backoff;         /* ms, the last one */
    uint32_t tries;      /* which of a name's addresses is next */
    bool put_off;        /* `later` is under way */
    const char *doom;    /* it is to fail at the end of the turn: why; NULL: no */
    char why[REDIS_TEXT_ROOM + 64];
};

/* A node of that place, closed. `known` may be NULL: the host says it all. */
void redis_node_init(struct redis_node *node, struct worker *w, const struct conf_redis *conf);
/* Where it is, from now on; it must be closed and without questions. */
void redis_node_place(struct redis_node *node, struct slice host, int port,
                      const struct conf_address *place);

/* Whether a question may be given to it; where it may not but a trial is due, that begins. */
bool redis_node_ready(struct redis_node *node);
/* Takes the question over; it is sent at the end of the turn, or when the connection stands. */
void redis_node_ask(struct redis_node *node, struct redis_question *q);
/* What it was asked leaves now, if its connection stands, and not at the end of the turn. */
void redis_node_hurry(struct redis_node *node);
/* Connects if it is closed: for what the greeting says. */
void redis_node_wake(struct redis_node *node);
/* It fails at the end of the turn. `why` is copied; NULL: it is only closed, when nobody waits. */
void redis_node_doom(struct redis_node *node, const char *why);
void redis_node_close(struct redis_node *node);

#endif
