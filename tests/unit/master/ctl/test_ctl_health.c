/* SPDX-License-Identifier: Apache-2.0 */
/* gatewayctl health log, probe. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/master/ctl/ctl_fixture.h"

#define TARGET(answered, cause)                                                                    \
    "{\"targets\":[{\"upstream\":\"u\",\"address\":\"127.0.0.1:1\",\"asked\":3,"                   \
    "\"answered\":" #answered ",\"log\":["                                                         \
    "{\"at\":1.5,\"kind\":\"transition\",\"by\":\"probe\",\"cause\":\"status\",\"status\":503,"    \
    "\"state\":\"down\"},"                                                                         \
    "{\"at\":2.25,\"kind\":\"probe\",\"by\":\"probe\",\"cause\":\"" cause                          \
    "\",\"detail\":\"why\",\"state\":\"down\"}]}]}"

static void test_log(void **state)
{
    struct ctl_fixture *x = *state;

    assert_int_equal(ctl_fixture_call(x, ctl_health_log, ctl_fixture_answer(200, TARGET(3, "TLS")),
                                      CTL_WORDS("u/127.0.0.1:1")),
                     CTL_OK);
    assert_memory_equal(x->asked, "GET /health/log?target=u", 24);
    assert_non_null(strstr(x->out, "status 503"));
    assert_non_null(strstr(x->out, "TLS: why"));
    assert_int_equal(ctl_fixture_call(x, ctl_health_log,
                                      ctl_fixture_answer(404, "{\"message\":\"There is no\"}"),
                                      CTL_WORDS("x")),
                     CTL_REFUSED);
    assert_non_null(strstr(x->err, "There is no"));
}

static void test_probe_that_is_refused(void **state)
{
    struct ctl_fixture *x = *state;

    assert_int_equal(ctl_fixture_call(x, ctl_health_probe,
                                      ctl_fixture_answer(404, "{\"message\":\"There is no\"}"),
                                      CTL_WORDS("x")),
                     CTL_REFUSED);
    assert_memory_equal(x->asked, "POST /health/probe?target=x ", 28);
    assert_string_equal(x->out, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_log, ctl_fixture_make, ctl_fixture_drop),
        cmocka_unit_test_setup_teardown(test_probe_that_is_refused, ctl_fixture_make,
                                        ctl_fixture_drop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
