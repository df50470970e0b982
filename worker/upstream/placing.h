/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Places at peers: who is counted as under way where, over all workers; the queue of those for whom
 * there is no place now; and the budget of retries.
 */
#ifndef WORKER_PLACING_H
#define WORKER_PLACING_H

#include "worker/stream_life.h"

/* The upstream's set is another one now: where its counts lie. */
void placing_use(struct worker *w, const struct peer_set *set);

/* Counts the stream's request at the peer, which becomes its peer. False: no place is left, nothing
 * is counted. */
bool placing_take(struct stream *s, struct peer *peer);
/* The request is no longer under way there; once for each placing_take(), more calls do nothing.
 * Who waits for the place is woken, in whatever worker. */
void placing_leave(struct stream *s);

/* Whether the stream has to stand behind others before it asks for a place. */
bool placing_must_queue(struct stream *s, struct upstream_state *u);
/* In the queue, at its end if it was not there yet. False: the queue is full. */
bool placing_queue(struct stream *s, const struct conf_upstream *conf);
/* It is in the queue, and nobody else in any worker: who has just joined asks once more then. */
bool placing_alone(const struct stream *s);
bool placing_is_queued(const struct stream *s);
/* It is in the queue and the first of this worker: it may ask. */
bool placing_is_first(const struct stream *s);
/* It waited for queue_timeout. */
bool placing_expired(const struct stream *s);
/* Out of the queue, if it was there. */
void placing_unqueue(struct stream *s);

/* The bell rang: the first of each queue asks again. */
void placing_heard(struct worker *w);

/* A retry of a request that a peer may have seen: false when too many are under way. It is counted
 * until placing_retried(), over all further tries. */
bool placing_retry(struct stream *s);
void placing_retried(struct stream *s);

/* All that the request holds against others: seat, place, retry. Before its client sees the end of
 * the answer and asks again, of any worker. */
static inline void placing_clear(struct stream *s)
{
    stream_leave_seat(s);
    if (s->placed)
        placing_leave(s);
    if (s->retrying)
        placing_retried(s);
}

#endif
