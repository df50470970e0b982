/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a request would meet: the route that takes it, the plugins that would run on it, in order,
 * each with where it was configured, and the first one that would answer in the upstream's place.
 * Found out by letting an imagined request go the first part of the way of a real one, carried by
 * nobody; it is asked of no upstream, not counted and not logged.
 */
#ifndef WORKER_EXPLAIN_H
#define WORKER_EXPLAIN_H

#include "worker/base/channel.h"
#include "worker/context.h"

/* Answers `question` (CHANNEL_EXPLAIN) with CHANNEL_EXPLAINED, a JSON object. Its text: "http" or
 * "https", a space, the client's address, LF, then the request's head as it would be sent. */
void explain(struct worker *w, const struct channel_message *question);

#endif
