/* SPDX-License-Identifier: Apache-2.0 */
/* What replies mean: redirections, errors, addresses from Sentinels, the map of a Cluster, and the
 * slots that keys lie in. Nothing a server says is taken on trust. Pure. */
#ifndef WORKER_REDIS_ANSWER_H
#define WORKER_REDIS_ANSWER_H

#include "worker/redis/redis_reply.h"

enum { REDIS_SLOTS = 16384, REDIS_HOST_MAX = 253, REDIS_TEXT_ROOM = 96 };

/* The first word of an error; OTHER for those that only say no. */
enum redis_error {
    REDIS_ERROR_NONE, /* it is no error */
    REDIS_ERROR_OTHER,
    REDIS_ERROR_NOSCRIPT,
    REDIS_ERROR_MOVED,
    REDIS_ERROR_ASK,
    REDIS_ERROR_AGAIN, /* TRYAGAIN: some keys of a slot that moves are here, some there */
    REDIS_ERROR_LOST   /* READONLY, LOADING, MASTERDOWN, NOAUTH: not the server to be asked, now */
};
enum redis_error redis_answer_error(const struct redis_reply *reply);

struct redis_place {
    struct slice host; /* an address or a name; n 0: the host that said so */
    int port;
};

/* "MOVED 3999 127.0.0.1:6381", ASK likewise. */
bool redis_answer_redirection(const struct redis_reply *reply, unsigned *slot,
                              struct redis_place *place);
/* What SENTINEL GET-MASTER-ADDR-BY-NAME says. False: it knows none. */
bool redis_answer_master(const struct redis_reply *reply, struct redis_place *place);
/* What ROLE says: false when the server is a replica. */
bool redis_answer_is_master(const struct redis_reply *reply);

struct redis_range {
    unsigned from, to; /* slots, both included */
    struct redis_place place;
};
/* The entry `i` of what CLUSTER SLOTS says; the reply is a list of `n` > i. */
bool redis_answer_range(const struct redis_reply *reply, size_t i, struct redis_range *out);

/* A list of exactly n integers. */
bool redis_answer_integers(const struct redis_reply *reply, int64_t *out, size_t n);

/* Where a key lies: by what is between its first "{" and the next "}", or all of it. */
unsigned redis_answer_slot(struct slice key);

/* Its text for a log: cut, without bytes that are not printable. Returns out. */
const char *redis_answer_text(const struct redis_reply *reply, char out[REDIS_TEXT_ROOM]);

#endif
