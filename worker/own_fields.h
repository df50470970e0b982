/* SPDX-License-Identifier: Apache-2.0 */
/* The lines that the gateway adds to a response by itself: Via, Date, Server, X-Gateway-*, Age,
 * X-Cache-*. */
#ifndef WORKER_OWN_FIELDS_H
#define WORKER_OWN_FIELDS_H

#include "worker/stream_life.h"

/* Lines in the stream's arena; h: the upstream's head, or NULL. Absent when there is no memory. */
struct slice own_fields(struct stream *s, const struct head *h);

/* "Hit", "Miss", ...: the value of X-Cache-Status. */
struct slice own_fields_cache_status(enum stats_cache status);

#endif
