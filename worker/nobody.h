/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a carrier is made of when nobody listens: the request has been read, what is sent is
 * dropped, and nobody goes away. For streams without a client, which say what they do otherwise.
 */
#ifndef WORKER_NOBODY_H
#define WORKER_NOBODY_H

#include "worker/stream_life.h"

/* See struct carrier. */
int nobody_read_head(struct stream *s);
enum intake_result nobody_read_body(struct stream *s, struct slice *run);
bool nobody_send_interim(struct stream *s, const struct reply *reply);
bool nobody_send(struct stream *s, const struct reply *reply, struct iovec *body, int n, bool end);
bool nobody_flushed(struct stream *s, bool *gone);
bool nobody_abandoned(struct stream *s);
bool nobody_rewind_body(struct stream *s);
void nobody_wake(struct stream *s); /* of a stream that never waits */
bool nobody_may_go_on(struct stream *s, size_t moved);

#endif
