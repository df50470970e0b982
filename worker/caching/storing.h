/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What goes into the cache: whether a response may be stored (Kong's conditions, RFC 9111 section
 * 3), under which key and head, and its body as it streams by.
 */
#ifndef WORKER_STORING_H
#define WORKER_STORING_H

#include "worker/http/storable.h"
#include "worker/stream_life.h"

/* The verdict on a response's head by the stream's settings. */
void storing_judge(const struct stream *s, const struct head *h, struct storable *out);

/* When the response's head is known: begins a fill if it may be stored, else says why not in
 * s->cache_reason and makes the status Bypass. */
void storing_begin(struct stream *s, const struct head *h);
/* Payload that goes to the client. A fill that can get no memory is given up. */
void storing_append(struct stream *s, struct slice run);
/* Those who wait for the object are told what has come of it. After a run of appends. */
void storing_progress(struct stream *s);
/* The response is complete: the object becomes visible. */
void storing_commit(struct stream *s);
void storing_abort(struct stream *s);

#endif
