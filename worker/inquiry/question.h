/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A question of the gateway's own to a service: a short request, a short answer. It goes the way of
 * every request from the choice of a peer on (balancing, health, TLS, kept connections, retries,
 * timeouts), on a stream without a client, and holds up nobody.
 */
#ifndef WORKER_QUESTION_H
#define WORKER_QUESTION_H

#include "worker/inquiry/inquiry.h"
#include "worker/stream_life.h"

/* Bytes of an answer for which there is always room, and those beyond them that all answers under
 * way in a worker share: a service that sends much takes nothing from those that send little. */
enum { QUESTION_SMALL = 4096, QUESTION_POOL = 8 << 20 };

struct question_answer {
    int status;        /* 0: there is none, `cause` says why */
    struct slice body; /* until the call returns */
    const char *cause;
};

/* Asks; `done` is called once, later, never from within a stage of another stream, and nothing of
 * `what` is looked at after this call. False: nothing was begun. */
bool question_ask(struct worker *w, const struct inquiry_question *what,
                  void (*done)(void *arg, const struct question_answer *answer), void *arg);

#endif
