/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a Redis says, as a tree of values. The bytes are taken apart by hiredis' reader; what they
 * may cost is bounded here: a server that is not what it seems can end its connection and nothing
 * else. Pure.
 */
#ifndef WORKER_REDIS_REPLY_H
#define WORKER_REDIS_REPLY_H

#include "worker/base/slice.h"

/* Of one reply: bytes that wait for its end, memory of its values, values of one list. */
enum { REDIS_REPLY_BYTES = 1 << 20, REDIS_REPLY_MEMORY = 4 << 20, REDIS_REPLY_LIST = 1 << 16 };

enum redis_kind { REDIS_NIL, REDIS_INTEGER, REDIS_TEXT, REDIS_STATUS, REDIS_ERROR, REDIS_LIST };

struct redis_reply {
    enum redis_kind kind;
    int64_t integer;
    struct slice text; /* of texts, states and errors */
    size_t n;          /* of a list; none of its values is NULL */
    const struct redis_reply **v;
};

enum redis_reply_result { REDIS_REPLY_READ, REDIS_REPLY_MORE, REDIS_REPLY_BROKEN };

struct redis_reader;

/* NULL: no memory. */
struct redis_reader *redis_reply_open(void);
void redis_reply_close(struct redis_reader **reader);

/* Adds bytes that came. False: no memory, or too many for one reply. */
bool redis_reply_feed(struct redis_reader *reader, const char *p, size_t n);
/* The next reply; it lives until the next call. BROKEN: what came is no reply, or a too large one;
 * nothing more can be read. */
enum redis_reply_result redis_reply_next(struct redis_reader *reader,
                                         const struct redis_reply **out);

#endif
