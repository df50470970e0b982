/* SPDX-License-Identifier: Apache-2.0 */
/* The exchange that http and https have in common. */
#ifndef CHECKER_PROBE_HTTP_H
#define CHECKER_PROBE_HTTP_H

#include "worker/checker/probe.h"

enum probe_turn probe_http_step(struct probe *p, struct health_seen *seen);

#endif
