/* SPDX-License-Identifier: Apache-2.0 */
/* The client of the control API: answers whole, cut, refused, none; nothing to connect to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/master/ctl/ctl_fixture.h"

static enum ctl_exit get_version(struct ctl *ctl)
{
    json_t *value;
    enum ctl_exit result = ctl_client_get(ctl, "/version", &value);

    if (value != NULL && !ctl->json)
        fprintf(ctl->out, "%s", json_string_value(json_object_get(value, "version")));
    json_decref(value);
    return result;
}

static void assert_call(struct ctl_fixture *x, const char *answer, enum ctl_exit wanted)
{
    assert_int_equal(ctl_fixture_call(x, get_version, answer, CTL_WORDS()), wanted);
}

static void test_answer(void **state)
{
    struct ctl_fixture *x = *state;

    assert_call(x, ctl_fixture_answer(200, "{\"version\":\"9\"}"), CTL_OK);
    assert_string_equal(x->out, "9");
    assert_string_equal(x->err, "");
    assert_ptr_equal(strstr(x->asked, "GET /version HTTP/1.1\r\nHost: localhost\r\n"), x->asked);
    assert_non_null(strstr(x->asked, "\r\nConnection: close\r\n"));
}

static void test_json_as_it_is(void **state)
{
    struct ctl_fixture *x = *state;

    x->ctl.json = true;
    assert_call(x, ctl_fixture_answer(200, "{\"version\" :\"9\"}"), CTL_OK);
    assert_string_equal(x->out, "{\"version\" :\"9\"}\n");
    assert_call(x, ctl_fixture_answer(422, "{\"message\":\"no\"}"), CTL_REFUSED);
    assert_string_equal(x->out, "{\"message\":\"no\"}\n");
    assert_string_equal(x->err, "gatewayctl: no\n");
}

static void test_refused_with_reasons(void **state)
{
    struct ctl_fixture *x = *state;

    assert_call(x,
                ctl_fixture_answer(422, "{\"message\":\"no\",\"errors\":[\"a:1: b\",\"a:2: c\"]}"),
                CTL_REFUSED);
    assert_string_equal(x->err, "gatewayctl: no\na:1: b\na:2: c\n");
    assert_call(x, ctl_fixture_answer(500, ""), CTL_REFUSED);
    assert_string_equal(x->err, "gatewayctl: the gateway answered 500\n");
}

static void test_answers_that_are_none(void **state)
{
    static const char *const answers[] = {
        NULL,
        "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n",
        "HTTP/1.1 2x0 OK\r\nContent-Length: 2\r\n\r\n{}",
        "SSH-2.0-OpenSSH\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{x",
    };

    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        assert_call(*state, answers[i], CTL_UNREACHABLE);
        assert_true(((struct ctl_fixture *)*state)->err_n > 0);
        assert_int_equal(((struct ctl_fixture *)*state)->out_n, 0);
    }
}

static void test_nobody_there(void **state)
{
    struct ctl_fixture *x = *state;
    char *text;
    size_t n;
    json_t *value;

    unlink(x->path);
    x->ctl.err = open_memstream(&text, &n);
    assert_int_equal(ctl_client_get(&x->ctl, "/version", &value), CTL_UNREACHABLE);
    assert_null(value);
    fflush(x->ctl.err);
    assert_non_null(strstr(text, "cannot connect: No such file or directory\n"));
    fclose(x->ctl.err);
    free(text);
}

/* The listener's queue takes the call, but nobody answers. */
static void test_an_end_in_time(void **state)
{
    struct ctl_fixture *x = *state;
    const struct ctl_client_call call = { .method = "GET", .path = "/", .patience = 50 };
    struct ctl_client_answer answer;
    char *text;
    size_t n;

    x->ctl.err = open_memstream(&text, &n);
    assert_int_equal(ctl_client_send(&x->ctl, &call, &answer), CTL_UNREACHABLE);
    fflush(x->ctl.err);
    assert_non_null(strstr(text, "no answer: Connection timed out\n"));
    fclose(x->ctl.err);
    free(text);
}

static void test_a_path_too_long(void **state)
{
    struct ctl_fixture *x = *state;
    char path[200], *text;
    size_t n;
    json_t *value;

    memset(path, 'a', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    x->ctl.socket = path;
    x->ctl.err = open_memstream(&text, &n);
    assert_int_equal(ctl_client_get(&x->ctl, "/version", &value), CTL_UNREACHABLE);
    fclose(x->ctl.err);
    assert_non_null(strstr(text, "File name too long"));
    free(text);
}

static void test_encode(void **state)
{
    char out[16];

    (void)state;
    assert_true(ctl_client_encode("a/b c?\xc3", out, sizeof out));
    assert_string_equal(out, "a%2Fb%20c%3F%C3");
    assert_false(ctl_client_encode("a/b c?\xc3y", out, sizeof out));
    assert_true(ctl_client_encode("", out, 1));
    assert_string_equal(out, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_answer, ctl_fixture_make, ctl_fixture_drop),
        cmocka_unit_test_setup_teardown(test_json_as_it_is, ctl_fixture_make, ctl_fixture_drop),
        cmocka_unit_test_setup_teardown(test_refused_with_reasons, ctl_fixture_make,
                                        ctl_fixture_drop),
        cmocka_unit_test_setup_teardown(test_answers_that_are_none, ctl_fixture_make,
                                        ctl_fixture_drop),
        cmocka_unit_test_setup_teardown(test_nobody_there, ctl_fixture_make, ctl_fixture_drop),
        cmocka_unit_test_setup_teardown(test_an_end_in_time, ctl_fixture_make, ctl_fixture_drop),
        cmocka_unit_test_setup_teardown(test_a_path_too_long, ctl_fixture_make, ctl_fixture_drop),
        cmocka_unit_test(test_encode),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
