/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The body of a peer's response, out of its framing: runs of payload that lie in the connection's
 * buffer.
 */
#ifndef WORKER_RESPONSE_BODY_H
#define WORKER_RESPONSE_BODY_H

#include "worker/stream_life.h"

enum response_run { RESPONSE_RUN, RESPONSE_WAIT, RESPONSE_END, RESPONSE_BROKE };

/* After the head: how the body is framed. */
void response_body_begin(struct stream *s, const struct head *h);

/* The next run. `read` false: only from what has come already. A run holds until the next call with
 * `read`. BROKE: cut short or malformed; s->cause says which. */
enum response_run response_body_next(struct stream *s, bool read, struct slice *run);

#endif
