/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hiredis' reader calls back for each value; they are made in one arena a reply, so that a reply
 * that ends half-way needs no tidying up.
 */
#include "worker/redis/redis_reply.h"

#include "shm/assert.h"
#include "worker/base/arena.h"
#include <hiredis/read.h>
#include <stdlib.h>

struct redis_reader {
    struct redisReader *parser;
    struct arena arena;
    size_t used; /* of REDIS_REPLY_MEMORY, by the reply that is read */
    bool handed_out, broken;
};

static void *take(struct redis_reader *r, size_t n)
{
    if (n > REDIS_REPLY_MEMORY - r->used)
        return NULL;
    r->used += n;
    return arena_take(&r->arena, n);
}

/* A value at its place in the list that holds it. NULL: no memory, which ends the reader. */
static struct redis_reply *make(const redisReadTask *task, enum redis_kind kind)
{
    struct redis_reader *r = task->privdata;
    struct redis_reply *reply = take(r, sizeof *reply);

    if (!reply)
        return NULL;
    *reply = (struct redis_reply){ .kind = kind };
    if (task->parent) {
        struct redis_reply *list = task->parent->obj;
        must(list->kind == REDIS_LIST && (size_t)task->idx < list->n);
        list->v[task->idx] = reply;
    }
    return reply;
}

static void *make_text(const redisReadTask *task, char *text, size_t n)
{
    enum redis_kind kind = task->type == REDIS_REPLY_ERROR    ? REDIS_ERROR
                           : task->type == REDIS_REPLY_STATUS ? REDIS_STATUS
                                                              : REDIS_TEXT;
    struct redis_reply *reply = make(task, kind);
    char *copy = reply ? take(task->privdata, n + 1) : NULL;

    if (!copy)
        return NULL;
    memcpy(copy, text, n);
    reply->text = slice_of(copy, n);
    return reply;
}

static void *make_list(const redisReadTask *task, int n)
{
    struct redis_reply *reply = make(task, REDIS_LIST);

    if (!reply || n < 0 || n > REDIS_REPLY_LIST)
        return NULL;
    reply->n = (size_t)n;
    reply->v = take(task->privdata, reply->n * sizeof(struct redis_reply *) + 1);
    return reply->v ? reply : NULL;
}

static void *make_integer(const redisReadTask *task, long long value)
{
    struct redis_reply *reply = make(task, REDIS_INTEGER);

    if (reply)
        reply->integer = value;
    return reply;
}

static void *make_nil(const redisReadTask *task)
{
    return make(task, REDIS_NIL);
}

static void free_nothing(void *reply)
{
    (void)reply; /* it goes with the arena */
}

struct redis_reader *redis_reply_open(void)
{
    static redisReplyObjectFunctions functions = { make_text, make_list, make_integer, make_nil,
                                                   free_nothing };
    struct redis_reader *r = calloc(1, sizeof *r);

    if (!r)
        return NULL;
    arena_init(&r->arena, NULL, 0);
    r->parser = redisReaderCreateWithFunctions(&functions);
    if (r->parser) {
        r->parser->privdata = r;
        return r;
    }
    free(r);
    return NULL;
}

void redis_reply_close(struct redis_reader **reader)
{
    struct redis_reader *r = *reader;

    *reader = NULL;
    if (!r)
        return;
    redisReaderFree(r->parser);
    arena_reset(&r->arena);
    free(r);
}

bool redis_reply_feed(struct redis_reader *r, const char *p, size_t n)
{
    if (r->broken || r->parser->len - r->parser->pos + n > REDIS_REPLY_BYTES)
        return false;
    return redisReaderFeed(r->parser, p, n) == REDIS_OK;
}

enum redis_reply_result redis_reply_next(struct redis_reader *r, const struct redis_reply **out)
{
    void *reply = NULL;

    if (r->handed_out) {
        arena_reset(&r->arena);
        arena_init(&r->arena, NULL, 0);
        r->used = 0;
        r->handed_out = false;
    }
    if (r->broken || redisReaderGetReply(r->parser, &reply) != REDIS_OK) {
        r->broken = true;
        return REDIS_REPLY_BROKEN;
    }
    *out = reply;
    r->handed_out = reply != NULL;
    return reply ? REDIS_REPLY_READ : REDIS_REPLY_MORE;
}
