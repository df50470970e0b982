/* SPDX-License-Identifier: Apache-2.0 */
/* A connection to a target, a Redis or whoever else is asked: opened, not waited for. */
#ifndef WORKER_DIAL_H
#define WORKER_DIAL_H

#include "conf/conf.h"
#include <stdbool.h>

/* A non-blocking descriptor, close-on-exec, that is connected or on its way; the caller's. `hurry`:
 * small messages do not wait to be put together (TCP_NODELAY). -1: errno says why not; nobody there
 * is ECONNREFUSED for a Unix socket whose queue is full as well. */
int dial(const struct conf_address *to, bool hurry);

#endif
