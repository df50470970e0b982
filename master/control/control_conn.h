/* SPDX-License-Identifier: Apache-2.0 */
/* The control process's connections: sockets, deadlines and limits around control_http.h. */
#ifndef MASTER_CONTROL_CONN_H
#define MASTER_CONTROL_CONN_H

#include "master/control/control_http.h"
#include "worker/base/loop.h"

enum {
    CONTROL_CONN_MAX = 64
}; /* through one door; another door has its own, so that none shuts out the next */

/* How long something may take, in ms. */
enum {
    CONTROL_CONN_IDLE = 30000,         /* between two requests */
    CONTROL_CONN_IDLE_DRAINING = 5000, /* the same, when this process is to go */
    CONTROL_CONN_READ = 30000,         /* a whole request, from its first byte */
    CONTROL_CONN_WAIT = 90000,         /* the master's answer */
    CONTROL_CONN_SEND = 60000,         /* a whole answer */
    CONTROL_CONN_LINGER = 10000,       /* the client's close after ours */
};

struct control_conn;

struct control_conns {
    struct loop *loop;
    struct api *api;
    struct control_conn *first;
    unsigned open[3]; /* by enum api_door */
    bool draining;
};

/* Accepts what waits at `listener`. False: accept() fails for want of descriptors or memory; try
 * later. */
bool control_conn_accept(struct control_conns *conns, int listener, enum api_door door);

/* Hands the master's answer to the connection that asked. */
void control_conn_result(struct control_conns *conns, const struct channel_message *message);

/* Every connection ends after its next answer, or when it stays idle. */
void control_conn_drain(struct control_conns *conns);

/* Answers those who wait for the master, as far as can be done at once, and closes all. */
void control_conn_end(struct control_conns *conns);

unsigned control_conn_count(const struct control_conns *conns);

#endif
