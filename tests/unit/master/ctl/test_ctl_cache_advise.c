/* SPDX-License-Identifier: Apache-2.0 */
/* gatewayctl cache advise: the table, and when it warns. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/master/ctl/ctl_fixture.h"

#define DICT(sizes) "{\"dicts\":[{\"name\":\"d\",\"size\":1048576,\"sizes\":[" sizes "]}]}"
#define SIZE(ready)                                                                                \
    "{\"percent\":200,\"bytes\":2097152,\"ready\":" ready ",\"hit_ratio\":0.905,"                  \
    "\"fewer_misses\":0.25,\"error\":0.01,\"hits_per_hour\":1234.6}"

static const char *shown(struct ctl_fixture *x, const char *body)
{
    assert_int_equal(
        ctl_fixture_call(x, ctl_cache_advise, ctl_fixture_answer(200, body), CTL_WORDS()), CTL_OK);
    return x->out;
}

static void test_table(void **state)
{
    const char *out = shown(*state, DICT(SIZE("true")));

    assert_non_null(
        strstr(out, "200   2.0M      90.5%         25.0%  1.0%            1235  yes\n"));
    assert_null(strstr(out, "too small"));
}

static void test_warnings(void **state)
{
    assert_non_null(strstr(shown(*state, DICT(SIZE("false"))), "too small"));
    assert_non_null(strstr(shown(*state, DICT("")), "nothing was asked of it yet\n"));
}

static void test_one_dictionary(void **state)
{
    struct ctl_fixture *x = *state;

    x->ctl.dict = "d";
    (void)shown(x, DICT(""));
    assert_int_equal(strncmp(x->asked, "GET /cache/advise?dict=d ", 25), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_table, ctl_fixture_make, ctl_fixture_drop),
        cmocka_unit_test_setup_teardown(test_warnings, ctl_fixture_make, ctl_fixture_drop),
        cmocka_unit_test_setup_teardown(test_one_dictionary, ctl_fixture_make, ctl_fixture_drop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
