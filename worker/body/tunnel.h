/* SPDX-License-Identifier: Apache-2.0 */
/*
 * After 101 Switching Protocols: bytes both ways until one side ends or nothing moves for the
 * service's read_timeout.
 */
#ifndef WORKER_TUNNEL_H
#define WORKER_TUNNEL_H

#include "worker/stream_life.h"

/* WAIT while it lasts; FAIL when it is over (the connection is done with). */
enum stage_result tunnel_pump(struct stream *s);

#endif
