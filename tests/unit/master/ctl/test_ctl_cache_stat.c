/* SPDX-License-Identifier: Apache-2.0 */
/* gatewayctl cache stat: what is asked and what is shown. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/master/ctl/ctl_fixture.h"

static const char answer[] =
    "{\"dicts\":[{\"name\":\"d\",\"size\":1048576,\"fragmentation\":0.125,\"waits\":7,"
    "\"queues\":{\"small\":{\"objects\":11,\"bytes\":2048}},\"evicted_age\":{\"recent\":90},"
    "\"classes\":[{\"chunk\":640,\"pages\":2,\"chunks\":204,\"used\":100,\"bytes\":130560}]}],"
    "\"requests\":{\"hit\":3,\"miss\":1}}";

static void test_tables(void **state)
{
    struct ctl_fixture *x = *state;

    assert_int_equal(
        ctl_fixture_call(x, ctl_cache_stat, ctl_fixture_answer(200, answer), CTL_WORDS()), CTL_OK);
    assert_int_equal(strncmp(x->asked, "GET /cache ", 11), 0);
    assert_non_null(strstr(x->out, "12.5%"));
    assert_non_null(strstr(x->out, "WAITS"));
    assert_non_null(strstr(x->out, "75.0%"));
    assert_non_null(strstr(x->out, "1m30s"));
    assert_null(strstr(x->out, "CHUNK"));
}

static void test_one_dictionary_with_its_classes(void **state)
{
    struct ctl_fixture *x = *state;

    x->ctl.dict = "a b";
    assert_int_equal(
        ctl_fixture_call(x, ctl_cache_stat, ctl_fixture_answer(200, answer), CTL_WORDS()), CTL_OK);
    assert_int_equal(strncmp(x->asked, "GET /cache?dict=a%20b ", 22), 0);
    assert_non_null(strstr(x->out, "CHUNK"));
    assert_non_null(strstr(x->out, "640"));
}

static void test_json(void **state)
{
    struct ctl_fixture *x = *state;

    x->ctl.json = true;
    assert_int_equal(
        ctl_fixture_call(x, ctl_cache_stat, ctl_fixture_answer(200, answer), CTL_WORDS()), CTL_OK);
    assert_non_null(strstr(x->out, "\"waits\":7"));
    assert_null(strstr(x->out, "REQUESTS"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_tables, ctl_fixture_make, ctl_fixture_drop),
        cmocka_unit_test_setup_teardown(test_one_dictionary_with_its_classes, ctl_fixture_make,
                                        ctl_fixture_drop),
        cmocka_unit_test_setup_teardown(test_json, ctl_fixture_make, ctl_fixture_drop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
