/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A part is asked for of what is not stored: the origin is asked for the whole, which goes into the
 * cache by itself, and the client gets its part as soon as that is there, like others who wait for
 * the object.
 */
#ifndef WORKER_WIDENING_H
#define WORKER_WIDENING_H

#include "worker/http/freshness.h"
#include "worker/stream_life.h"

/* Whether the whole should be asked for: one range, and an answer that others could use. Once a
 * stream. */
bool widening_may(const struct stream *s, const struct cache_control *cc);
/* Before the origin is asked: the range is not passed on, until that was answered. */
void widening_begin(struct stream *s);

/* The origin's head came to a stream that is `wide`; s->step is where one that takes it from here
 * begins. NEXT: what came is the answer, as it is. LOOK: a stream without a client fills from here
 * on. RETRY: it is not for the cache, and the peer is asked for the part. */
enum stage_result widening_answered(struct stream *s, const struct head *h);

/* Where in a body of `size` bytes the part begins that is asked for: how much of a body that grows
 * has to be there. 0 where all is sent, or nothing; UINT64_MAX: several parts. */
uint64_t widening_from(const struct stream *s, uint64_t size);

#endif
