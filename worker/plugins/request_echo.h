/* SPDX-License-Identifier: Apache-2.0 */
/* A request as the gateway sees it, as JSON: what request-termination answers with when `echo` is
 * on. */
#ifndef PLUGINS_REQUEST_ECHO_H
#define PLUGINS_REQUEST_ECHO_H

#include "worker/stream.h"

/* {"message", "kong", "request", "matched_route", "matched_service"} in the arena; `message` may be
 * NULL and is left out then. The body is not part of it: it was not read. {NULL, 0}: no memory. */
struct slice request_echo(struct stream *s, const char *message);

#endif
