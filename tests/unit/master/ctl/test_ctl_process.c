/* SPDX-License-Identifier: Apache-2.0 */
/* gatewayctl status, workers, reload and its kin. `check` runs the daemon and is tested end to end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/master/ctl/ctl_fixture.h"

static void test_status(void **state)
{
    struct ctl_fixture *x = *state;
    const char *answer = ctl_fixture_answer(
        200, "{\"version\":\"9\",\"uptime\":61,\"requests\":{\"codes\":{\"2xx\":7}}}");

    assert_int_equal(ctl_fixture_call(x, ctl_process_status, answer, CTL_WORDS()), CTL_OK);
    assert_non_null(strstr(x->out, "uptime                1m01s\n"));
    assert_non_null(strstr(x->out, "answered 2xx          7\n"));
    x->ctl.json = true;
    assert_int_equal(ctl_fixture_call(x, ctl_process_status, answer, CTL_WORDS()), CTL_OK);
    assert_int_equal(x->out[0], '{');
}

static void test_workers(void **state)
{
    struct ctl_fixture *x = *state;

    assert_int_equal(ctl_fixture_call(x, ctl_process_workers,
                                      ctl_fixture_answer(
                                          200, "{\"workers\":[{\"slot\":3,\"role\":\"worker\"}]}"),
                                      CTL_WORDS()),
                     CTL_OK);
    assert_non_null(strstr(x->out, "   3  worker"));
}

static void test_orders(void **state)
{
    static const struct {
        enum ctl_exit (*run)(struct ctl *ctl);
        const char *line;
    } orders[] = {
        { ctl_process_reload, "POST /reload " }, { ctl_process_upgrade, "POST /upgrade " },
        { ctl_process_stop, "POST /stop " },     { ctl_process_quit, "POST /quit " },
        { ctl_process_reopen, "POST /reopen " },
    };
    struct ctl_fixture *x = *state;

    for (size_t i = 0; i < sizeof orders / sizeof orders[0]; i++) {
        assert_int_equal(ctl_fixture_call(x, orders[i].run,
                                          ctl_fixture_answer(200, "{\"message\":\"so be it\"}"),
                                          CTL_WORDS()),
                         CTL_OK);
        assert_memory_equal(x->asked, orders[i].line, strlen(orders[i].line));
        assert_string_equal(x->out, "so be it\n");
    }
}

static void test_an_upgrade_names_a_whole_path(void **state)
{
    struct ctl_fixture *x = *state;

    x->ctl.binary = "/bin/../bin/./sh";
    assert_int_equal(ctl_fixture_call(x, ctl_process_upgrade,
                                      ctl_fixture_answer(200, "{\"message\":\"so be it\"}"),
                                      CTL_WORDS()),
                     CTL_OK);
    assert_non_null(strstr(x->asked, "{\"binary\":\"/"));
    assert_null(strstr(x->asked, "/.."));
    x->ctl.binary = "/nowhere/gateway";
    assert_int_equal(ctl_fixture_call(x, ctl_process_upgrade, NULL, CTL_WORDS()), CTL_USAGE);
    assert_non_null(strstr(x->err, "/nowhere/gateway: No such file"));
}

static void test_a_refused_reload(void **state)
{
    struct ctl_fixture *x = *state;
    const char *answer =
        ctl_fixture_answer(422, "{\"message\":\"no\",\"errors\":[\"gateway.conf:1: bad\"]}");

    assert_int_equal(ctl_fixture_call(x, ctl_process_reload, answer, CTL_WORDS()), CTL_REFUSED);
    assert_string_equal(x->err, "gatewayctl: no\ngateway.conf:1: bad\n");
    assert_string_equal(x->out, "");
}

static void test_version(void **state)
{
    struct ctl_fixture *x = *state;

    assert_int_equal(ctl_fixture_call(x, ctl_process_version,
                                      ctl_fixture_answer(200, "{\"version\":\"9\"}"), CTL_WORDS()),
                     CTL_OK);
    assert_string_equal(x->out, "gatewayctl " GATEWAY_VERSION "\ngateway 9\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_status, ctl_fixture_make, ctl_fixture_drop),
        cmocka_unit_test_setup_teardown(test_workers, ctl_fixture_make, ctl_fixture_drop),
        cmocka_unit_test_setup_teardown(test_orders, ctl_fixture_make, ctl_fixture_drop),
        cmocka_unit_test_setup_teardown(test_an_upgrade_names_a_whole_path, ctl_fixture_make,
                                        ctl_fixture_drop),
        cmocka_unit_test_setup_teardown(test_a_refused_reload, ctl_fixture_make, ctl_fixture_drop),
        cmocka_unit_test_setup_teardown(test_version, ctl_fixture_make, ctl_fixture_drop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
