/* SPDX-License-Identifier: Apache-2.0 */
/* Requests of the gateway's own that renew what was served stale: streams without a client. */
#ifndef WORKER_BACKGROUND_H
#define WORKER_BACKGROUND_H

#include "worker/stream_life.h"

/* Asks the upstream again for what `s` found stale, after this turn of the loop. The caller has the
 * refresh to itself (cache_update_claim). False: it cannot be done, nothing was started. */
bool background_refresh(const struct stream *s);

#endif
