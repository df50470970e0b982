/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configured health checks of an upstream, made into what the rules of shm/verdict.h take; and
 * the one wording of the log lines about a target's state. Checker, workers and control share it.
 */
#ifndef BASE_CHECKS_H
#define BASE_CHECKS_H

#include "conf/entities.h"
#include "shm/health.h"

/* Whether probes are sent at all; whether the circuit breaker counts anything. */
bool checks_active(const struct conf_healthchecks *checks);
bool checks_passive(const struct conf_healthchecks *checks);

struct verdict_limits checks_limits(const struct conf_healthchecks *checks);

/* What a response's status means: a success, a failure, or neither. */
enum verdict_event checks_status(const struct conf_check_side *healthy,
                                 const struct conf_check_side *unhealthy, int status);

/* One line in the error log when the state has changed. `name`: the row's. */
void checks_log(enum health_change change, const char *name, const struct health_seen *seen);

#endif
