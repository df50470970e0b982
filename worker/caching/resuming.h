/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who reads along a body that turns out to be too large for the cache, and has sent a part of it,
 * asks the origin for itself and goes on where it was, if what comes begins with what was sent.
 */
#ifndef WORKER_RESUMING_H
#define WORKER_RESUMING_H

#include "worker/body/response_body.h"

/* Of a body whose length is not known: the vectors are about to be sent. */
void resuming_note(struct stream *s, const struct iovec *iov, int n);

/* The object that is read along will not be whole. True: the stream no longer waits for anybody,
 * and a peer is to be asked. False: it cannot go on. */
bool resuming_begin(struct stream *s);
/* NEXT: the answer may be a continuation; its body is read from here on. */
enum stage_result resuming_answered(struct stream *s);
/* It is none: the client is made to see that what it has is not all. FAIL. */
enum stage_result resuming_failed(struct stream *s);

/* The next run behind what was sent: RUN, WAIT or END as of response_body_next(). BROKE: not the
 * same body, or it broke. *skipped: bytes that were compared and are not in the run. */
enum response_run resuming_next(struct stream *s, struct slice *run, size_t *skipped);
/* All that was sent has been seen again. */
bool resuming_done(const struct stream *s);

#endif
