/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What goes into the cache: whether a response may be stored (Kong's conditions, RFC 9111 sections
 * 3 and 3.5), under which head, and its body as it streams by.
 */
#ifndef WORKER_STORING_H
#define WORKER_STORING_H

#include "worker/stream_life.h"

/* Flags of cache_meta. */
enum { STORING_AUTHORIZED = 1 /* may answer requests with Authorization */ };

/* When the response's head is known: begins a fill if it may be stored, else says why not in
 * s->cache_reason and makes the status Bypass. */
void storing_begin(struct stream *s, const struct head *h);
/* Payload that goes to the client. A fill that can get no memory is given up. */
void storing_append(struct stream *s, struct slice run);
/* The response is complete: the object becomes visible. */
void storing_commit(struct stream *s);
void storing_abort(struct stream *s);

/* True when the object's Vary lines fit this request. The first `meta.private_n` bytes of a stored
 * head hold them. */
bool storing_fits(struct stream *s, const struct cache_hit *hit);

/* What the upstream sees in the field with that name: all lines of it as one list, those that
 * Connection names left out, a plugin's value in place of the client's. Absent: {NULL, 0}. False:
 * no memory. */
bool storing_request_value(struct stream *s, struct slice name, struct slice *value);

#endif
