/* SPDX-License-Identifier: Apache-2.0 */
/* gatewayctl purge: what is asked, what is shown, the exit code. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/master/ctl/ctl_fixture.h"

#define KEY "00112233445566778899aabbccddeeff"

static enum ctl_exit purge(struct ctl_fixture *x, const char *reply)
{
    return ctl_fixture_call(x, ctl_purge, reply ? ctl_fixture_answer(200, reply) : NULL,
                            CTL_WORDS());
}

static bool sent(const struct ctl_fixture *x, const char *body)
{
    const char *at = strstr(x->asked, "\r\n\r\n");
    return strncmp(x->asked, "POST /purge ", 12) == 0 && at && strcmp(at + 4, body) == 0;
}

static void test_a_key(void **state)
{
    struct ctl_fixture *x = *state;

    assert_int_equal(
        ctl_fixture_call(x, ctl_purge,
                         ctl_fixture_answer(200, "{\"by\":\"key\",\"purged\":1,\"us\":2.5}"),
                         CTL_WORDS(KEY)),
        CTL_OK);
    assert_true(sent(x, "{\"key\":\"" KEY "\"}"));
    assert_string_equal(x->out, "1 purged by key in 2.5 us\n");
    assert_int_equal(
        ctl_fixture_call(x, ctl_purge, ctl_fixture_answer(200, "{\"purged\":0}"), CTL_WORDS(KEY)),
        CTL_REFUSED);
    assert_string_equal(x->err, "gatewayctl: nothing is stored for " KEY "\n");
}

static void test_one_thing_it_must_be(void **state)
{
    struct ctl_fixture *x = *state;

    assert_int_equal(ctl_fixture_call(x, ctl_purge, NULL, CTL_WORDS("http://h/")), CTL_USAGE);
    assert_int_equal(purge(x, NULL), CTL_USAGE);
    x->ctl.soft = true;
    assert_int_equal(purge(x, NULL), CTL_USAGE);
    x->ctl.all = true;
    assert_int_equal(ctl_fixture_call(x, ctl_purge, NULL, CTL_WORDS(KEY)), CTL_USAGE);
    x->ctl.tag = "a";
    assert_int_equal(purge(x, NULL), CTL_USAGE);
    x->ctl.all = false;
    x->ctl.tag = "\xff";
    assert_int_equal(purge(x, NULL), CTL_USAGE);
    assert_string_equal(x->asked, "");
}

static void test_by_everything(void **state)
{
    struct ctl_fixture *x = *state;
    const struct {
        const char **option, *name;
    } by[] = {
        { &x->ctl.url, "url" },   { &x->ctl.tag, "tag" },     { &x->ctl.prefix, "prefix" },
        { &x->ctl.host, "host" }, { &x->ctl.route, "route" }, { &x->ctl.service, "service" }
    };
    char body[64];

    for (size_t i = 0; i < sizeof by / sizeof by[0]; i++) {
        *by[i].option = "\"a\"";
        assert_int_equal(purge(x, "{\"by\":\"tag\",\"purged\":null,\"us\":1.0}"), CTL_OK);
        snprintf(body, sizeof body, "{\"%s\":\"\\\"a\\\"\"}", by[i].name);
        assert_true(sent(x, body));
        assert_string_equal(x->out, "purged by tag in 1.0 us\n");
        *by[i].option = NULL;
    }
    x->ctl.all = true;
    x->ctl.dict = "d";
    assert_int_equal(purge(x, "{\"by\":\"all\",\"purged\":7,\"us\":1.0}"), CTL_OK);
    assert_true(sent(x, "{\"all\":true,\"dict\":\"d\"}"));
    assert_string_equal(x->out, "7 purged by all in 1.0 us\n");
}

static void test_softly_and_dry(void **state)
{
    struct ctl_fixture *x = *state;

    x->ctl.tag = "t";
    x->ctl.soft = true;
    assert_int_equal(purge(x, "{\"by\":\"tag\",\"purged\":null,\"us\":1.0}"), CTL_OK);
    assert_true(sent(x, "{\"tag\":\"t\",\"soft\":true}"));
    assert_string_equal(x->out, "purged by tag softly in 1.0 us\n");
    x->ctl.dry_run = true;
    assert_int_equal(purge(x, "{\"by\":\"tag\",\"objects\":12,\"bytes\":2048,\"us\":1.0}"), CTL_OK);
    assert_true(sent(x, "{\"tag\":\"t\",\"soft\":true,\"dry_run\":true}"));
    assert_string_equal(x->out, "12 objects, 2.0K: nothing was purged\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_key, ctl_fixture_make, ctl_fixture_drop),
        cmocka_unit_test_setup_teardown(test_one_thing_it_must_be, ctl_fixture_make,
                                        ctl_fixture_drop),
        cmocka_unit_test_setup_teardown(test_by_everything, ctl_fixture_make, ctl_fixture_drop),
        cmocka_unit_test_setup_teardown(test_softly_and_dry, ctl_fixture_make, ctl_fixture_drop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
