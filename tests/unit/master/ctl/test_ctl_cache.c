/* SPDX-License-Identifier: Apache-2.0 */
/* gatewayctl cache and purge: what is asked, what is shown, the exit code. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/master/ctl/ctl_fixture.h"

#define KEY "00112233445566778899aabbccddeeff"
#define KEYS                                                                                       \
    "{\"keys\":[{\"key\":\"" KEY                                                                   \
    "\",\"dict\":\"d\",\"status\":200,\"url\":\"h/a\",\"method\":\"GET\"}]}"

static bool asked(const struct ctl_fixture *x, const char *line)
{
    return strncmp(x->asked, line, strlen(line)) == 0 && x->asked[strlen(line)] == ' ';
}

static void test_key(void **state)
{
    static const char *const words[][3] = { { "GET h/a" }, { "GET", "h/a" } };
    struct ctl_fixture *x = *state;

    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(
            ctl_fixture_call(x, ctl_cache_key, ctl_fixture_answer(200, KEYS), words[i]), CTL_OK);
        assert_true(asked(x, "GET /cache/keys?method=GET&url=h%2Fa"));
        assert_string_equal(x->out, KEY "\n");
    }
    assert_int_equal(
        ctl_fixture_call(x, ctl_cache_key, ctl_fixture_answer(200, KEYS), CTL_WORDS("h/a")),
        CTL_OK);
    assert_true(asked(x, "GET /cache/keys?url=h%2Fa"));
}

static void test_ls_and_stat(void **state)
{
    struct ctl_fixture *x = *state;

    x->ctl.limit = "5";
    x->ctl.dict = "d&e";
    assert_int_equal(ctl_fixture_call(x, ctl_cache_ls, ctl_fixture_answer(200, KEYS), CTL_WORDS()),
                     CTL_OK);
    assert_true(asked(x, "GET /cache/keys?limit=5&dict=d%26e"));
    assert_non_null(strstr(x->out, KEY));
    assert_int_equal(
        ctl_fixture_call(x, ctl_cache_stat,
                         ctl_fixture_answer(200, "{\"dicts\":[{\"name\":\"d\",\"size\":1048576}]}"),
                         CTL_WORDS()),
        CTL_OK);
    assert_non_null(strstr(x->out, "\nd     1.0M"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_key, ctl_fixture_make, ctl_fixture_drop),
        cmocka_unit_test_setup_teardown(test_ls_and_stat, ctl_fixture_make, ctl_fixture_drop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
