/* SPDX-License-Identifier: Apache-2.0 */
/* gatewayctl cache and purge: what is asked, what is shown, the exit code. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/master/ctl_fixture.h"

#define KEY "00112233445566778899aabbccddeeff"
#define KEYS                                                                                       \
    "{\"keys\":[{\"key\":\"" KEY                                                                   \
    "\",\"dict\":\"d\",\"status\":200,\"url\":\"h/a\",\"method\":\"GET\"}]}"

static bool asked(const struct ctl_fixture *x, const char *line)
{
    return strncmp(x->asked, line, strlen(line)) == 0 && x->asked[strlen(line)] == ' ';
}

static void test_purge_key(void **state)
{
    struct ctl_fixture *x = *state;

    assert_int_equal(
        ctl_fixture_call(x, ctl_cache_purge, "HTTP/1.1 204 No Content\r\n\r\n", CTL_WORDS(KEY)),
        CTL_OK);
    assert_true(asked(x, "DELETE /proxy-cache/" KEY));
    assert_string_equal(x->out, "1 purged\n");
    assert_int_equal(
        ctl_fixture_call(x, ctl_cache_purge, ctl_fixture_answer(404, "{}"), CTL_WORDS(KEY)),
        CTL_REFUSED);
    assert_string_equal(x->err, "gatewayctl: nothing is stored for " KEY "\n");
}

static void test_purge_usage(void **state)
{
    struct ctl_fixture *x = *state;

    assert_int_equal(ctl_fixture_call(x, ctl_cache_purge, NULL, CTL_WORDS("http://h/")), CTL_USAGE);
    assert_int_equal(ctl_fixture_call(x, ctl_cache_purge, NULL, CTL_WORDS()), CTL_USAGE);
    x->ctl.all = true;
    assert_int_equal(ctl_fixture_call(x, ctl_cache_purge, NULL, CTL_WORDS(KEY)), CTL_USAGE);
    x->ctl.url = "h/a";
    assert_int_equal(ctl_fixture_call(x, ctl_cache_purge, NULL, CTL_WORDS()), CTL_USAGE);
    assert_string_equal(x->asked, "");
}

static void test_purge_url_and_all(void **state)
{
    struct ctl_fixture *x = *state;

    x->ctl.url = "http://h/\"a\"";
    assert_int_equal(ctl_fixture_call(x, ctl_cache_purge, ctl_fixture_answer(200, "{\"purged\":3}"),
                                      CTL_WORDS()),
                     CTL_OK);
    assert_true(asked(x, "POST /purge"));
    assert_non_null(strstr(x->asked, "\r\n\r\n{\"url\":\"http://h/\\\"a\\\"\"}"));
    assert_string_equal(x->out, "3 purged\n");
    x->ctl.url = NULL;
    x->ctl.all = true;
    assert_int_equal(ctl_fixture_call(x, ctl_cache_purge, ctl_fixture_answer(200, "{\"purged\":0}"),
                                      CTL_WORDS()),
                     CTL_OK);
    assert_non_null(strstr(x->asked, "\r\n\r\n{\"all\":true}"));
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
        cmocka_unit_test_setup_teardown(test_purge_key, ctl_fixture_make, ctl_fixture_drop),
        cmocka_unit_test_setup_teardown(test_purge_usage, ctl_fixture_make, ctl_fixture_drop),
        cmocka_unit_test_setup_teardown(test_purge_url_and_all, ctl_fixture_make, ctl_fixture_drop),
        cmocka_unit_test_setup_teardown(test_key, ctl_fixture_make, ctl_fixture_drop),
        cmocka_unit_test_setup_teardown(test_ls_and_stat, ctl_fixture_make, ctl_fixture_drop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
