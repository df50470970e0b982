/* SPDX-License-Identifier: Apache-2.0 */
/* gatewayctl cache warm: usage, and what comes of a gateway that listens nowhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/master/ctl/ctl_fixture.h"

/* A file with these lines, as the command's. */
static void write_file(struct ctl_fixture *x, char *path, const char *text)
{
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    x->ctl.file = path;
}

static void test_usage(void **state)
{
    char path[] = "/tmp/warm-test-XXXXXX";
    struct ctl_fixture *x = *state;

    assert_int_equal(ctl_fixture_call(x, ctl_cache_warm, NULL, CTL_WORDS()), CTL_USAGE);
    assert_non_null(strstr(x->err, "-f FILE"));
    write_file(x, path, "http://h/\n");
    static const char *const numbers[] = { "0", "257", "x", "-1", "1x" };
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        x->ctl.concurrency = numbers[i];
        assert_int_equal(ctl_fixture_call(x, ctl_cache_warm, NULL, CTL_WORDS()), CTL_USAGE);
        assert_non_null(strstr(x->err, "--concurrency"));
    }
    x->ctl.concurrency = NULL;
    x->ctl.file = "/nonexistent";
    assert_int_equal(ctl_fixture_call(x, ctl_cache_warm, NULL, CTL_WORDS()), CTL_USAGE);
    unlink(path);
}

static void test_nobody_listens(void **state)
{
    char path[] = "/tmp/warm-test-XXXXXX";
    struct ctl_fixture *x = *state;

    write_file(x, path, "http://h/\nhttps://h/\n");
    assert_int_equal(ctl_fixture_call(x, ctl_cache_warm, ctl_fixture_answer(200, "{\"listen\":[]}"),
                                      CTL_WORDS()),
                     CTL_REFUSED);
    assert_string_equal(x->out, "2 requests: 0 hits, 0 filled, 0 not stored, 2 failed\n");
    assert_non_null(strstr(x->err, "http://h/: the gateway does not listen for that\n"));
    x->ctl.json = true;
    assert_int_equal(
        ctl_fixture_call(
            x, ctl_cache_warm,
            ctl_fixture_answer(
                200, "{\"listen\":[{\"address\":\"unix:/nonexistent/s\",\"ssl\":false}]}"),
            CTL_WORDS()),
        CTL_REFUSED);
    assert_non_null(strstr(x->out, "{\"url\":\"http://h/\",\"reason\":\"cannot connect\"}"));
    unlink(path);
}

static void test_a_list_that_is_none(void **state)
{
    char path[] = "/tmp/warm-test-XXXXXX";
    struct ctl_fixture *x = *state;

    write_file(x, path, "http://h/\nh/a\n");
    assert_int_equal(ctl_fixture_call(x, ctl_cache_warm, NULL, CTL_WORDS()), CTL_USAGE);
    assert_non_null(strstr(x->err, ":2: "));
    assert_string_equal(x->asked, "");
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_usage, ctl_fixture_make, ctl_fixture_drop),
        cmocka_unit_test_setup_teardown(test_nobody_listens, ctl_fixture_make, ctl_fixture_drop),
        cmocka_unit_test_setup_teardown(test_a_list_that_is_none, ctl_fixture_make,
                                        ctl_fixture_drop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
