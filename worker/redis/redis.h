/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The worker's own client of Redis, which never blocks: one connection a server, on which the
 * questions of all streams follow each other. It knows which server to ask: the one there is, the
 * master that Sentinels name, or the node of a Cluster that has the keys' slot.
 */
#ifndef WORKER_REDIS_H
#define WORKER_REDIS_H

#include "worker/redis/redis_node.h"

struct redis;

enum redis_script_id { REDIS_TAKE, REDIS_ADD, REDIS_USE, REDIS_SCRIPTS };
/* What they are called with is said in redis_script.c. */
extern const char *const redis_script_texts[REDIS_SCRIPTS];

struct redis_command {
    enum redis_script_id script;
    const struct slice *keys, *args; /* all keys in one slot */
    size_t keys_n, args_n;           /* keys_n > 0 */
};

/* The client with that configuration, made when it is first asked for. NULL: no memory. */
struct redis *redis_of(struct worker *w, const struct conf_redis *conf);

/* Runs the script. done() is called once, later: with what the script returned, or with NULL when
 * there is no such answer within the configured time, or an error. NULL: Redis is known not to
 * answer now, or there is no memory; done() is not called. */
struct redis_question *redis_ask(struct redis *r, const struct redis_command *command,
                                 void (*done)(void *owner, const struct redis_reply *reply),
                                 void *owner);
/* done() will not be called: before it was, its owner goes. */
void redis_forget(struct redis_question *q);

/* Runs a script whose result nobody waits for. It leaves at once, before anything else that this
 * turn of the loop sends, so that it is done although this process die, and nearly always before
 * whoever hears of its cause asks another process (a busy Redis serves connections in an order of
 * its own); where the connection does not stand yet, as soon as it does. A worker that retires ends
 * after the answer. False: as NULL above. */
bool redis_tell(struct redis *r, const struct redis_command *command);

/* Tells in the worker's statistics how many connections stand, and how many servers are known not
 * to answer. */
void redis_report(struct worker *w);

#endif
