/* SPDX-License-Identifier: Apache-2.0 */
/* What an unsafe request makes out of date (RFC 9111 section 4.4). */
#ifndef WORKER_INVALIDATING_H
#define WORKER_INVALIDATING_H

#include "worker/stream_life.h"

/* When the upstream's head is there, and some route of the service has a cache with cache_control:
 * after a method that may change things, and no error, the stored responses for the target, and for
 * Location and Content-Location on the same host, go. */
void invalidating_after(struct stream *s, const struct head *response);

#endif
