/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests for the same object, in whatever worker: one asks the origin, the others wait for what
 * it brings, and read it while it still comes (shm/cache_ticket.h).
 */
#ifndef WORKER_COLLAPSING_H
#define WORKER_COLLAPSING_H

#include "worker/stream_life.h"

enum { COLLAPSING_PASS = 30 }; /* seconds that what could not be stored is remembered */

enum collapsing_result {
    COLLAPSING_ASK,    /* nobody to wait for: the origin is asked */
    COLLAPSING_LOOK,   /* look into the cache again */
    COLLAPSING_WAIT,   /* the stream is woken when there is news */
    COLLAPSING_JOINED, /* s->hit is the object that is being filled */
    COLLAPSING_FAILED, /* the origin did not answer the one who asked; *status is what that means */
    COLLAPSING_GONE,   /* the client left meanwhile */
};

/* At start, when the dictionaries are attached. False: errno. */
bool collapsing_open(struct worker *w);

/* Before the origin is asked for s->fill_id: ASK, WAIT, or LOOK when the stream has become the one
 * that asks (s->ticket), since the object may have come in between. `may_fill`: its request is one
 * whose answer could be stored. */
enum collapsing_result collapsing_begin(struct stream *s, bool may_fill);
/* A stream that was told to wait goes on. */
enum collapsing_result collapsing_wait(struct stream *s, int *status);

/* Makes s->reply, for an object that was joined, from what serving_begin() does. */
void collapsing_reply(struct stream *s);
/* What has come of its body behind s->cached_at: vectors, *end with the last ones. -1: there will
 * not be more, though it is not complete. */
int collapsing_next(struct stream *s, struct iovec *iov, int max, size_t most, bool *end);
/* After that: because it is not for the cache. */
bool collapsing_is_passed(const struct stream *s);
/* True: the stream is woken when there is more. False: there is. */
bool collapsing_sleep(struct stream *s);

/* For the one who asks: what came of it (enum cache_ticket_state that is an end), as the ticket's
 * end takes it. Nothing when it asks for nobody else. */
void collapsing_end(struct stream *s, int state, int64_t detail);
/* The same by the answer that the stream has now; of what is stored the fill tells. */
void collapsing_tell(struct stream *s);
/* The response is going to be stored under s->fill_id, for all who wait when `shared`. False:
 * another one is being stored there, one is enough. */
bool collapsing_offer(struct stream *s, uint64_t expected, bool shared);

/* The stream ends: it waits for nobody, and nobody for it. */
void collapsing_release(struct stream *s);

#endif
