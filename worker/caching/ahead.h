/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A response that is being stored comes at the upstream's speed, whatever the client's is: what the
 * client cannot take yet goes into shared memory only, and the client reads it from there.
 */
#ifndef WORKER_AHEAD_H
#define WORKER_AHEAD_H

#include "worker/body/response_body.h"

/* From here on the client reads behind. False: no room for a pin, it has to keep up. */
bool ahead_begin(struct stream *s);

/* Takes the next run into shared memory; END: it is complete and published. A fill that has to be
 * given up leaves a run for ahead_held(), and s->fill NULL. */
enum response_run ahead_pull(struct stream *s);

/* Bytes that the client has not been given yet. */
uint64_t ahead_behind(const struct stream *s);
/* The next of them: vectors of `most` bytes or so. */
int ahead_next(struct stream *s, struct iovec *iov, int max, size_t most);
/* What could not be stored; to be sent when nothing is behind any more. */
struct slice ahead_held(const struct stream *s);

/* The client has caught up, or is gone. */
void ahead_end(struct stream *s);

#endif
