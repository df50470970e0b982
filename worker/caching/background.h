/* SPDX-License-Identifier: Apache-2.0 */
/* Streams without a client: they renew what was served stale, and fill what a client wants a part
 * of. */
#ifndef WORKER_BACKGROUND_H
#define WORKER_BACKGROUND_H

#include "worker/stream_life.h"

/* Asks the upstream again for what `s` found stale, after this turn of the loop. The caller has the
 * refresh to itself (cache_update_claim). False: it cannot be done, nothing was started. */
bool background_refresh(const struct stream *s);

/* A stream without a client goes on with s->up, s->fill and s->ticket at s->step of the respond
 * stage, after this turn; they are no longer the caller's. False: nothing has changed. */
bool background_take_over(struct stream *s);

#endif
