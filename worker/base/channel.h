/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What master and children say to each other: fixed messages with an optional text over
 * SOCK_SEQPACKET. The master validates every field; a child that breaks the form is ignored.
 */
#ifndef BASE_CHANNEL_H
#define BASE_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CHANNEL_TEXT_MAX = 60000 };

enum channel_op {
    /* child -> master */
    CHANNEL_READY = 1, /* can serve its generation's configuration */
    CHANNEL_RELOAD,    /* control asks; the answer is CHANNEL_RESULT with the same id */
    CHANNEL_STOP,      /* fast stop */
    CHANNEL_QUIT,      /* graceful stop */
    CHANNEL_REOPEN,    /* reopen logs, everywhere */
    CHANNEL_UPGRADE,   /* to another binary; text: its path, "" = where this one came from */
    CHANNEL_TWINNED,   /* CHANNEL_TWIN is heeded */
    CHANNEL_RETIRED,   /* a worker that was told to retire accepts no more */
    CHANNEL_EXPLAIN,   /* control asks what a request would meet, worker/explain.h; master -> worker
                          with number: the slot of who asks */
    CHANNEL_EXPLAINED, /* the worker's answer, number and id as asked; master -> control as it is */
    /* master -> child */
    CHANNEL_SERVE,  /* a worker: its generation's configuration is the one in force: accept */
    CHANNEL_RETIRE, /* accept no more, finish what there is, exit */
    CHANNEL_REOPEN_LOGS,
    CHANNEL_TWIN,   /* number: a dictionary; with a descriptor: the zone that takes its place, to be
                       purged along with it; CHANNEL_TWINNED follows */
    CHANNEL_ALONE,  /* number: a dictionary; its twin is no more */
    CHANNEL_RESULT, /* number: 0 done, 1 refused; text: the errors, one a line, or what was done */
    CHANNEL_OPS
};

struct channel_message {
    uint32_t op; /* enum channel_op */
    uint32_t number;
    uint64_t id; /* ties a result to its question */
    uint32_t text_n;
    char text[CHANNEL_TEXT_MAX]; /* terminated by the receiver */
};

/* Sends; text may be NULL. False: the other side is gone or does not read (errno). Waits
 * for room for 40 ms at most, so that a child that is stopped holds nobody up. */
bool channel_send(int fd, enum channel_op op, uint32_t number, uint64_t id, const char *text,
                  size_t text_n);

/* The same, with a descriptor, which stays the caller's. */
bool channel_send_fd(int fd, enum channel_op op, uint32_t number, int passed);

/* Receives one whole, well-formed message. 1: got one; 0: none now; -1: closed. Ill-formed ones are
 * dropped. */
int channel_receive(int fd, struct channel_message *message);
/* The same for who takes descriptors: *passed is the one that came along, the caller's to close, or
 * -1. */
int channel_receive_fd(int fd, struct channel_message *message, int *passed);

#endif
