/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claims in the words of the scripts. A counter's key names its window, so that it ends by itself:
 * "ratelimit:{<scope>:<who>}:<unit>:<window>". The part in braces is the same for all windows of
 * one request: in a Cluster they lie on one node. Pure.
 */
#ifndef WORKER_REDIS_WORDS_H
#define WORKER_REDIS_WORDS_H

#include "shm/limits.h"
#include "worker/base/arena.h"
#include "worker/redis/redis_usage.h"

enum {
    REDIS_WORDS_KEY = 320,
    REDIS_WORDS_NUMBER = 24,
    REDIS_WORDS_KEYS = 2 * LIMITS_CLAIMS_MAX,
    REDIS_WORDS_ARGS = 1 + 6 * LIMITS_CLAIMS_MAX
};

struct redis_words {
    struct slice key[REDIS_WORDS_KEYS], arg[REDIS_WORDS_ARGS];
    size_t keys_n, args_n;
    char keys[REDIS_WORDS_KEYS][REDIS_WORDS_KEY];
    char numbers[REDIS_WORDS_ARGS][REDIS_WORDS_NUMBER];
    char tag[REDIS_WORDS_KEY];
};

/* For REDIS_TAKE; keys are in pairs, in the order of the claims. `scope` is short and printable;
 * `now`: ms since 1970. False: no memory. */
bool redis_words_take(struct redis_words *w, struct slice scope, struct slice who,
                      const struct limits_claim *claims, int n, int64_t now);

struct redis_usage_words {
    struct slice *key, *arg; /* in the arena */
    size_t keys_n, args_n;
};
/* For REDIS_USE: a key each, and, if they are to be `added`, the claims' costs. False: no memory.
 */
bool redis_words_use(struct redis_usage_words *w, struct arena *arena,
                     const struct redis_usage *usage, bool added, int64_t now);

/* The arguments for REDIS_ADD of `delta` requests. */
void redis_words_add(struct redis_words *w, const struct limits_claim *claim, int64_t now,
                     uint32_t delta);

#endif
