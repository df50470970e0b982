/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stream without a client: what stands for its connection, and its turns. It begins at the end of
 * a turn of the loop, when no other stream is half-way through a stage; it goes on when it is woken
 * or has used up its share of a turn; and it ends at the end of a turn, when nothing looks at it
 * any more. Embedded in what knows the stream's business.
 */
#ifndef WORKER_ERRAND_H
#define WORKER_ERRAND_H

#include "worker/conn.h"

struct errand {
    struct conn conn; /* stands for the client's: its address, its listener */
    struct stream *stream;
    void (*begin)(struct errand *e); /* instead of the first turn; NULL: the stream goes on */
    void (*end)(struct errand *e);   /* when it is over; frees the stream and all else */
    struct loop_later later;
    bool over, put_off; /* put_off: `later` is on its way */
    size_t turn_left;
};

static inline struct errand *errand_of(const struct stream *s)
{
    return (struct errand *)((char *)s->conn - offsetof(struct errand, conn));
}

/* A stream that the carrier carries, with conn, begin and end set by the caller. False: no memory,
 * nothing was begun. */
bool errand_make(struct errand *e, struct worker *w, const struct carrier *carrier);
/* Lets it begin, go on or end after this turn. */
void errand_put_off(struct errand *e);

/* Of its carrier. The stream may be in the middle of something that still looks at it, so that it
 * ends after the turn. */
void errand_wake(struct stream *s);
bool errand_may_go_on(struct stream *s, size_t moved);

#endif
