/* SPDX-License-Identifier: Apache-2.0 */
/* What is being fetched for the cache goes on when the client that asked for it has left. */
#ifndef WORKER_DETACHED_H
#define WORKER_DETACHED_H

#include "worker/stream_life.h"

/* The client is gone. True: the stream goes on without it, for those who wait for the object and
 * for the cache; what it sends is dropped, and its connection ends with it. False: nobody has a use
 * for that. */
bool detached_begin(struct stream *s);

#endif
