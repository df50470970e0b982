/* SPDX-License-Identifier: Apache-2.0 */
/* Seconds become ticks here, and Kong's two sides become one set of limits. */
#include "worker/base/checks.h"
#include "worker/base/log.h"
#include <stdio.h>

enum { CHECKS_RETRY_MAX = 300 * 1000 }; /* ms */

bool checks_active(const struct conf_healthchecks *checks)
{
    return checks->active.healthy.interval > 0 || checks->active.unhealthy.interval > 0;
}

bool checks_passive(const struct conf_healthchecks *checks)
{
    const struct conf_check_side *u = &checks->passive.unhealthy;
    return u->tcp_failures > 0 || u->timeouts > 0 || u->http_failures > 0;
}

static void take_side(struct verdict_limits *limits, enum verdict_source source,
                      const struct conf_check_side *healthy,
                      const struct conf_check_side *unhealthy)
{
    limits->failures[source][VERDICT_TCP_FAILURE] = (uint8_t)unhealthy->tcp_failures;
    limits->failures[source][VERDICT_TIMEOUT] = (uint8_t)unhealthy->timeouts;
    limits->failures[source][VERDICT_HTTP_FAILURE] = (uint8_t)unhealthy->http_failures;
    limits->successes[source] = (uint8_t)healthy->successes;
}

/* A side whose interval is 0 sends nothing, whatever its limits say. Probes that can bring a target
 * back leave nothing for a trial to do. */
struct verdict_limits checks_limits(const struct conf_healthchecks *checks)
{
    struct verdict_limits limits = { .probed = checks_active(checks) };
    const struct conf_active *active = &checks->active;
    bool probes_return = active->unhealthy.interval > 0 && active->healthy.successes > 0;
    double retry = checks->passive.unhealthy.retry_after * 1000;

    take_side(&limits, VERDICT_ACTIVE, &active->healthy, &active->unhealthy);
    take_side(&limits, VERDICT_PASSIVE, &checks->passive.healthy, &checks->passive.unhealthy);
    limits.retry_max = CHECKS_RETRY_MAX / VERDICT_TICK_MS;
    if (!probes_return && retry > 0)
        limits.retry = (uint32_t)(retry / VERDICT_TICK_MS) + 1;
    return limits;
}

static bool listed(struct conf_ints list, int status)
{
    for (size_t i = 0; i < list.n; i++)
        if (list.v[i] == status)
            return true;
    return false;
}

enum verdict_event checks_status(const struct conf_check_side *healthy,
                                 const struct conf_check_side *unhealthy, int status)
{
    if (listed(unhealthy->http_statuses, status))
        return VERDICT_HTTP_FAILURE;
    return listed(healthy->http_statuses, status) ? VERDICT_SUCCESS : VERDICT_NEITHER;
}

/* "connection refused"; "status 503"; "TLS handshake failed: certificate has expired". */
static void describe(const struct health_seen *seen, char *out, size_t size)
{
    const char *text = seen->text && seen->text[0] ? seen->text : NULL;

    if (seen->status)
        (void)snprintf(out, size, "status %d", seen->status);
    else
        (void)snprintf(out, size, "%s%s%s", health_cause_text(seen->cause), text ? ": " : "",
                       text ? text : "");
}

void checks_log(enum health_change change, const char *name, const struct health_seen *seen)
{
    char why[160];
    const char *who = seen->source == VERDICT_ACTIVE ? "probes" : "requests";

    if (change == HEALTH_SAME)
        return;
    describe(seen, why, sizeof why);
    if (seen->cause == HEALTH_CAUSE_HAND || seen->cause == HEALTH_CAUSE_SETTINGS ||
        seen->cause == HEALTH_CAUSE_NEW)
        log_write(LOG_LEVEL_NOTICE, "target %.63s is %s: %s", name,
                  change == HEALTH_WENT_UP ? "healthy" : "unhealthy", why);
    else if (change == HEALTH_WENT_UP)
        log_write(LOG_LEVEL_NOTICE, "target %.63s is healthy again, by %s; the last: %s", name, who,
                  why);
    else
        log_write(LOG_LEVEL_WARN, "target %.63s is unhealthy, by %s; the last: %s", name, who, why);
}
