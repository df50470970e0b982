/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stale object on its way to be fresh again: validators go upstream in the client's place, a 304
 * renews the object, and where the upstream fails the object may stand in for its answer (RFC 9111
 * section 4.3, RFC 5861).
 */
#ifndef WORKER_REFRESHING_H
#define WORKER_REFRESHING_H

#include "worker/stream_life.h"

enum { REFRESHING_SECONDS = 10 }; /* how long one has the refresh of an object to itself */

/* Holds s->hit while the upstream is asked, and puts its validators into the request. */
void refreshing_hold(struct stream *s);

/* The upstream answered while s->hit is held: true when the object is the answer (renewed, or in
 * place of a failure); else it has been let go. */
bool refreshing_answered(struct stream *s, const struct head *h);

/* The gateway was going to answer with `status`, an error of its own: true when the object answers
 * instead. */
bool refreshing_failed(struct stream *s, int status);

#endif
