/* SPDX-License-Identifier: Apache-2.0 */
/* gatewayctl routes, services, upstreams, stat, metrics. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/master/ctl/ctl_fixture.h"

static void test_routes(void **state)
{
    struct ctl_fixture *x = *state;

    assert_int_equal(
        ctl_fixture_call(
            x, ctl_entity_routes,
            ctl_fixture_answer(200, "{\"routes\":[{\"name\":\"r\",\"paths\":[\"/a\",\"~/b\"],"
                                    "\"methods\":[],\"requests\":7}]}"),
            CTL_WORDS()),
        CTL_OK);
    assert_memory_equal(x->asked, "GET /routes ", 12);
    assert_non_null(strstr(x->out, "/a,~/b"));
}

static void test_services(void **state)
{
    struct ctl_fixture *x = *state;

    assert_int_equal(
        ctl_fixture_call(x, ctl_entity_services,
                         ctl_fixture_answer(200,
                                            "{\"services\":[{\"name\":\"s\",\"protocol\":\"https\","
                                            "\"host\":\"h\",\"port\":8443,\"path\":\"/p\"}]}"),
                         CTL_WORDS()),
        CTL_OK);
    assert_non_null(strstr(x->out, "https://h:8443/p"));
}

static void test_upstreams(void **state)
{
    struct ctl_fixture *x = *state;

    assert_int_equal(
        ctl_fixture_call(x, ctl_entity_upstreams,
                         ctl_fixture_answer(200,
                                            "{\"upstreams\":[{\"name\":\"u\",\"targets\":["
                                            "{\"address\":\"127.0.0.1:1\",\"state\":\"up\"},"
                                            "{\"address\":\"127.0.0.1:2\",\"state\":\"down\"}]}]}"),
                         CTL_WORDS()),
        CTL_OK);
    assert_non_null(strstr(x->out, "\nu         -          127.0.0.1:1       -  up"));
    assert_non_null(strstr(x->out, "\nu         -          127.0.0.1:2       -  down"));
}

static void test_stat(void **state)
{
    struct ctl_fixture *x = *state;

    assert_int_equal(ctl_fixture_call(x, ctl_entity_stat,
                                      ctl_fixture_answer(200, "{\"a.long\":1,\"b\":22}"),
                                      CTL_WORDS()),
                     CTL_OK);
    assert_string_equal(x->out, "a.long  1\nb       22\n");
}

static void test_metrics(void **state)
{
    struct ctl_fixture *x = *state;

    assert_int_equal(
        ctl_fixture_call(x, ctl_entity_metrics, ctl_fixture_answer(200, "a 1\nb 2\n"), CTL_WORDS()),
        CTL_OK);
    assert_string_equal(x->out, "a 1\nb 2\n");
    assert_int_equal(
        ctl_fixture_call(x, ctl_entity_metrics, ctl_fixture_answer(503, "x"), CTL_WORDS()),
        CTL_REFUSED);
    assert_string_equal(x->out, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_routes, ctl_fixture_make, ctl_fixture_drop),
        cmocka_unit_test_setup_teardown(test_services, ctl_fixture_make, ctl_fixture_drop),
        cmocka_unit_test_setup_teardown(test_upstreams, ctl_fixture_make, ctl_fixture_drop),
        cmocka_unit_test_setup_teardown(test_stat, ctl_fixture_make, ctl_fixture_drop),
        cmocka_unit_test_setup_teardown(test_metrics, ctl_fixture_make, ctl_fixture_drop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
