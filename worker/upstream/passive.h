/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The circuit breaker: what each try of a request tells about its peer goes into the shared record,
 * where all workers see it at their next choice. One of these is called at the end of a try; where
 * an upstream has no passive checks, none of them does more than look.
 */
#ifndef WORKER_PASSIVE_H
#define WORKER_PASSIVE_H

#include "worker/stream_life.h"

/* The head of a final response came: its status decides a trial, and counts where it is one of the
 * failing. */
void passive_head(struct stream *s, int status);
/* The response came to its end. */
void passive_end(struct stream *s);
/* No connection, no answer, or not all of it; `cause` as the log has it, `more` exactly (may be
 * NULL). Not for what failed for want of something of our own. */
void passive_failed(struct stream *s, bool timeout, const char *cause, const char *more);

/* The peer was chosen for this try. False: it is out, and another request has its trial. */
bool passive_enter(struct stream *s, struct peer *peer);
/* The try ends without a verdict (if it had none yet): a trial is open to others again. */
void passive_leave(struct stream *s);

#endif
