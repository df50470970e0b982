/* SPDX-License-Identifier: Apache-2.0 */
/* What consistent-hashing hashes of a request: hash_on, or hash_fallback where that is missing. */
#ifndef WORKER_HASHING_H
#define WORKER_HASHING_H

#include "worker/stream_life.h"

/* Sets s->tried.key, or leaves it where the request has nothing to be hashed. A cookie that is
 * missing is made and set in the response. */
void hashing_key(struct stream *s, const struct conf_upstream *upstream);

#endif
