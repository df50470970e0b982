/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of the respond stage: its steps, the ways of sending a body, which are a step each,
 * and what these share. A step returns NEXT when the stage should go on with s->step, which it may
 * have changed.
 */
#ifndef WORKER_RESPOND_H
#define WORKER_RESPOND_H

#include "worker/stream_life.h"

enum respond_step {
    STEP_HEAD,
    STEP_COLLECT,
    STEP_OWN,
    STEP_CACHED,
    STEP_JOINED,
    STEP_RESUME,
    STEP_STREAM,
    STEP_AHEAD,
    STEP_SPOOLED,
    STEP_TUNNEL,
    STEP_FLUSH
};

/* Sends body vectors, the head with the first ones, and the end: the step is FLUSH then. False: the
 * client is gone. */
bool respond_give(struct stream *s, struct iovec *iov, int n, bool end);
/* The source has nothing more right now: what filters kept should not wait for it. False: the
 * client is gone. */
bool respond_push(struct stream *s);

/* The client went away, and with it the answer; FAIL. */
enum stage_result respond_gone(struct stream *s);
/* The same where the response is on its way into the cache: it goes on without the client, NEXT. */
enum stage_result respond_left(struct stream *s);
/* Part of a response went out and the rest never will; FAIL. The client sees it by the framing;
 * where the end of the connection is the framing, only a reset tells. */
enum stage_result respond_cut_short(struct stream *s);
/* Whether nothing was said yet of what came: there is still another answer, which begins anew. */
bool respond_take_back(struct stream *s);
/* The head is complete. A plugin may answer in place of the upstream when it has seen what that
 * says: the answer begins anew then, as one of our own. */
void respond_complete(struct stream *s);

/* The response is complete: it counts no longer as under way, and for what it says of the peer's
 * health. Before the client sees the end of it and asks again, of any worker. */
void respond_count_out(struct stream *s);
/* The peer's connection is done with: kept for others when both messages ended cleanly. */
void respond_hand_back(struct stream *s, bool clean);
/* Both, where no byte of the response lies in the connection's memory any more. */
void respond_let_go(struct stream *s, bool clean);
/* Waits for the peer, which has its read_timeout, or FOR_CLIENT; it may be found gone by now. */
enum stage_result respond_wait(struct stream *s, bool for_client);

/* respond_stored.c: bodies out of shared memory. */
enum stage_result respond_cached(struct stream *s);
/* An object that is still being filled, as far as it is. */
enum stage_result respond_joined(struct stream *s);
/* An object outgrew the cache while it was read along: its reader asks for itself, and goes on
 * where it was. */
enum stage_result respond_resumed(struct stream *s);
/* The client is slower than the upstream, which does not wait for it. */
enum stage_result respond_ahead(struct stream *s);

/* respond_upstream.c: bodies as the upstream sends them. */
enum stage_result respond_stream(struct stream *s);
/* The whole body before a byte of the answer: a peer that breaks half-way costs a 502, not a cut.
 */
enum stage_result respond_collect(struct stream *s);
enum stage_result respond_spooled(struct stream *s);

#endif
