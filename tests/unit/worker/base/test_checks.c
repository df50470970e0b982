/* SPDX-License-Identifier: Apache-2.0 */
/* The configured checks as limits, statuses as events, changes as log lines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "worker/base/checks.h"
#include "worker/base/log.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const int good[] = { 200, 302 }, bad[] = { 429, 500 };

static struct conf_healthchecks both(void)
{
    return (struct conf_healthchecks){
        .active = { .healthy = { .interval = 1, .successes = 2, .http_statuses = { good, 2 } },
                    .unhealthy = { .interval = 2,
                                   .tcp_failures = 3,
                                   .timeouts = 4,
                                   .http_failures = 255,
                                   .http_statuses = { bad, 2 } } },
        .passive = { .healthy = { .successes = 6 },
                     .unhealthy = { .tcp_failures = 7,
                                    .timeouts = 8,
                                    .http_failures = 9,
                                    .retry_after = 30 } }
    };
}

static void limits_are_as_configured(void **state)
{
    struct conf_healthchecks c = both();
    struct verdict_limits l = checks_limits(&c);
    (void)state;
    assert_int_equal(l.failures[VERDICT_ACTIVE][VERDICT_TCP_FAILURE], 3);
    assert_int_equal(l.failures[VERDICT_ACTIVE][VERDICT_TIMEOUT], 4);
    assert_int_equal(l.failures[VERDICT_ACTIVE][VERDICT_HTTP_FAILURE], 255);
    assert_int_equal(l.successes[VERDICT_ACTIVE], 2);
    assert_int_equal(l.failures[VERDICT_PASSIVE][VERDICT_HTTP_FAILURE], 9);
    assert_int_equal(l.successes[VERDICT_PASSIVE], 6);
    assert_true(l.probed && checks_active(&c) && checks_passive(&c));
}

static void trials_are_for_those_that_no_probe_brings_back(void **state)
{
    struct conf_healthchecks c = both();
    (void)state;
    assert_int_equal(checks_limits(&c).retry, 0);
    c.active.unhealthy.interval = 0;
    assert_int_equal(checks_limits(&c).retry, 30000 / VERDICT_TICK_MS + 1);
    assert_int_equal(checks_limits(&c).retry_max, 300000 / VERDICT_TICK_MS);
    c = both();
    c.active.healthy.successes = 0;
    assert_true(checks_limits(&c).retry > 0);
    c.passive.unhealthy.retry_after = 0;
    assert_int_equal(checks_limits(&c).retry, 0);
}

static void off_is_off(void **state)
{
    struct conf_healthchecks c = { .passive = { .unhealthy = { .retry_after = 30 } } };
    (void)state;
    assert_false(checks_active(&c) || checks_passive(&c) || checks_limits(&c).probed);
    c.active.unhealthy.interval = 0.5;
    assert_true(checks_active(&c));
    c.passive.unhealthy.timeouts = 1;
    assert_true(checks_passive(&c));
}

static void statuses(void **state)
{
    struct conf_healthchecks c = both();
    (void)state;
    assert_int_equal(checks_status(&c.active.healthy, &c.active.unhealthy, 200), VERDICT_SUCCESS);
    assert_int_equal(checks_status(&c.active.healthy, &c.active.unhealthy, 500),
                     VERDICT_HTTP_FAILURE);
    assert_int_equal(checks_status(&c.active.healthy, &c.active.unhealthy, 404), VERDICT_NEITHER);
    assert_int_equal(checks_status(&c.passive.healthy, &c.passive.unhealthy, 200), VERDICT_NEITHER);
}

static void lines_name_the_cause(void **state)
{
    char path[] = "/tmp/test_checks.XXXXXX", text[2048] = "";
    struct health_seen seen = { .source = VERDICT_ACTIVE,
                                .cause = HEALTH_CAUSE_TLS,
                                .text = "certificate has expired" };
    (void)state;
    int fd = mkstemp(path);
    assert_true(fd >= 0 && log_open(path, LOG_LEVEL_INFO, "test"));
    checks_log(HEALTH_SAME, "orders/a", &seen);
    checks_log(HEALTH_WENT_DOWN, "orders/b", &seen);
    seen =
        (struct health_seen){ .source = VERDICT_PASSIVE, .cause = HEALTH_CAUSE_OK, .status = 200 };
    checks_log(HEALTH_WENT_UP, "orders/c", &seen);
    seen = (struct health_seen){ .cause = HEALTH_CAUSE_HAND };
    checks_log(HEALTH_WENT_DOWN, "orders/d", &seen);
    assert_true(read(fd, text, sizeof text - 1) > 0);
    log_close();
    close(fd);
    unlink(path);
    assert_null(strstr(text, "orders/a"));
    assert_non_null(strstr(text, "target orders/b is unhealthy, by probes; the last: TLS handshake "
                                 "failed: certificate has expired\n"));
    assert_non_null(strstr(text, "target orders/c is healthy again, by requests; the last: status "
                                 "200\n"));
    assert_non_null(strstr(text, "target orders/d is unhealthy: set by hand\n"));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(limits_are_as_configured),
        cmocka_unit_test(trials_are_for_those_that_no_probe_brings_back),
        cmocka_unit_test(off_is_off),
        cmocka_unit_test(statuses),
        cmocka_unit_test(lines_name_the_cause),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
