/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The request on its way to a peer: its head, and its body as it arrives from the client or from
 * the spool, framed anew. It is read on only when the peer has taken what came before: a slow peer
 * stops the client.
 */
#ifndef WORKER_REQUEST_BODY_H
#define WORKER_REQUEST_BODY_H

#include "worker/body/spool.h"
#include "worker/stream_life.h"

enum body_state {
    BODY_GOING,
    BODY_SENT,
    BODY_MALFORMED,
    BODY_TOO_LARGE,
    BODY_TIMEOUT,
    BODY_CLIENT_GONE,
    BODY_REFUSED, /* by a plugin: request_body_refuse() */
    BODY_NO_MEMORY,
    BODY_UPSTREAM_BROKE, /* errno says how */
};

/* request_buffering, or a plugin wants all of it: takes the body into the spool. NEXT: complete;
 * WAIT; or an answer is set (DONE, FAIL). */
enum stage_result request_body_collect(struct stream *s);

/* Lets a plugin change what was collected, once. NO_MEMORY also where the disk is full. */
enum edit_result request_body_edit(struct stream *s);

/* The request's head for this peer, in scratch memory; p NULL: it does not fit. */
struct slice request_body_head(struct stream *s);

/* Sends the head (once; absent afterwards) together with what is there of the body, then what
 * follows of it, as far as the peer takes it. */
enum body_state request_body_pump(struct stream *s, struct slice head);

/* Makes the answer to a body that a plugin refused, in place of what there may be. */
void request_body_refuse(struct stream *s);

/* The body from its beginning, for another peer. False: it is not there any more. */
bool request_body_rewind(struct stream *s);

#endif
