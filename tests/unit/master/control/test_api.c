/* SPDX-License-Identifier: Apache-2.0 */
/* Dispatch of the control API: who may call what, 404 and 405, parameters, the master's answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/master/control/api_fixture.h"

static int setup(void **state)
{
    *state = fixture_make();
    return *state == NULL;
}

static int teardown(void **state)
{
    fixture_free(*state);
    return 0;
}

static int status_of(struct fixture *f, enum api_door door, const char *request)
{
    char *answer = fixture_call(f, door, request);
    int status = fixture_status(answer);

    free(answer);
    return status;
}

static void test_every_get_answers(void **state)
{
    static const char *const paths[] = { "/",          "/status", "/metrics",   "/version",
                                         "/workers",   "/stat",   "/routes",    "/services",
                                         "/upstreams", "/cache",  "/cache/keys" };

    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        char request[128];
        snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", paths[i]);
        assert_int_equal(status_of(*state, API_DOOR_CONTROL, request), 200);
    }
}

static void test_index_lists_the_table(void **state)
{
    json_t *value = fixture_json(fixture_ask_for(*state, "GET /", ""));

    assert_true(json_array_size(json_object_get(value, "calls")) >= 24);
    assert_string_equal(json_string_value(json_object_get(
                            json_array_get(json_object_get(value, "calls"), 1), "path")),
                        "/status");
    json_decref(value);
}

static void test_unknown_path(void **state)
{
    assert_int_equal(
        status_of(*state, API_DOOR_CONTROL, "GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n"), 404);
    assert_int_equal(
        status_of(*state, API_DOOR_CONTROL, "GET /status/ HTTP/1.1\r\nHost: x\r\n\r\n"), 404);
    assert_int_equal(
        status_of(*state, API_DOOR_CONTROL, "GET /proxy-cache/a/b HTTP/1.1\r\nHost: x\r\n\r\n"),
        404);
}

static void test_wrong_method_names_the_right_ones(void **state)
{
    char *answer =
        fixture_call(*state, API_DOOR_CONTROL, "POST /status HTTP/1.1\r\nHost: x\r\n\r\n");

    assert_int_equal(fixture_status(answer), 405);
    assert_non_null(strstr(answer, "\r\nAllow: GET, HEAD\r\n"));
    free(answer);
    answer =
        fixture_call(*state, API_DOOR_CONTROL, "PUT /proxy-cache/k HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_int_equal(fixture_status(answer), 405);
    assert_non_null(strstr(answer, "\r\nAllow: GET, HEAD, DELETE\r\n"));
    free(answer);
}

static void test_status_door_opens_two_calls(void **state)
{
    assert_int_equal(status_of(*state, API_DOOR_STATUS, "GET /status HTTP/1.1\r\nHost: x\r\n\r\n"),
                     200);
    assert_int_equal(
        status_of(*state, API_DOOR_STATUS, "HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n"), 200);
    assert_int_equal(status_of(*state, API_DOOR_STATUS, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"), 404);
    assert_int_equal(status_of(*state, API_DOOR_STATUS, "GET /routes HTTP/1.1\r\nHost: x\r\n\r\n"),
                     404);
    assert_int_equal(status_of(*state, API_DOOR_STATUS, "POST /reload HTTP/1.1\r\nHost: x\r\n\r\n"),
                     404);
    assert_int_equal(
        status_of(*state, API_DOOR_STATUS, "DELETE /proxy-cache HTTP/1.1\r\nHost: x\r\n\r\n"), 404);
    assert_int_equal(status_of(*state, API_DOOR_STATUS, "POST /status HTTP/1.1\r\nHost: x\r\n\r\n"),
                     405);
    assert_int_equal(((struct fixture *)*state)->questions, 0);
}

static void test_admin_door_refuses_web_pages(void **state)
{
    static const char *const good[] = { "127.0.0.1:8001", "localhost:8001", "LOCALHOST",
                                        "[::1]:8001", "10.0.0.1" };
    static const char *const bad[] = { "attacker.example:8001", "localhost.attacker.example",
                                       "127.0.0.1.nip.io", "1", "127.1" };
    char request[256];

    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        snprintf(request, sizeof request, "GET /status HTTP/1.1\r\nHost: %s\r\n\r\n", good[i]);
        assert_int_equal(status_of(*state, API_DOOR_ADMIN, request), 200);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        snprintf(request, sizeof request, "GET /status HTTP/1.1\r\nHost: %s\r\n\r\n", bad[i]);
        assert_int_equal(status_of(*state, API_DOOR_ADMIN, request), 403);
    }
    assert_int_equal(
        status_of(*state, API_DOOR_ADMIN,
                  "POST /stop HTTP/1.1\r\nHost: localhost\r\nOrigin: https://a.example\r\n\r\n"),
        403);
    assert_int_equal(((struct fixture *)*state)->questions, 0);
}

static void test_a_host_of_no_name(void **state)
{
    assert_int_equal(status_of(*state, API_DOOR_ADMIN, "GET /status HTTP/1.0\r\n\r\n"), 403);
}

static void test_paths_are_normalised_first(void **state)
{
    assert_int_equal(
        status_of(*state, API_DOOR_CONTROL, "GET /x/../status HTTP/1.1\r\nHost: x\r\n\r\n"), 200);
    assert_int_equal(
        status_of(*state, API_DOOR_STATUS, "GET /status/../routes HTTP/1.1\r\nHost: x\r\n\r\n"),
        404);
}

static void test_parameter(void **state)
{
    struct api_request request = { .query =
                                       SLICE("a=1&url=http%3A%2F%2Fh%2Fp%3Fx%3Dy&b=%00&c=%zz&d") };
    char out[32];

    (void)state;
    assert_true(api_parameter(&request, "url", out, sizeof out));
    assert_string_equal(out, "http://h/p?x=y");
    assert_false(api_parameter(&request, "b", out, sizeof out));
    assert_false(api_parameter(&request, "c", out, sizeof out));
    assert_false(api_parameter(&request, "d", out, sizeof out));
    assert_false(api_parameter(&request, "e", out, sizeof out));
    assert_false(api_parameter(&request, "url", out, 8));
}

static void test_text_of_any_bytes(void **state)
{
    json_t *text = api_text("a\xff"
                            "b",
                            3);

    (void)state;
    assert_string_equal(json_string_value(text), "a\xef\xbf\xbd"
                                                 "b");
    json_decref(text);
    text = api_text("\xc3\xa9", 2);
    assert_string_equal(json_string_value(text), "\xc3\xa9");
    json_decref(text);
}

static void test_results_of_the_master(void **state)
{
    struct api_reply reply = { .waits = 9, .asked = CHANNEL_RELOAD };
    static const char errors[] = "gateway.conf:3: x\ngateway.conf:9: y\n";

    (void)state;
    api_result(&reply, 1, errors, sizeof errors - 1);
    assert_int_equal(reply.status, 422);
    assert_int_equal(reply.waits, 0);
    json_t *value = json_loads(reply.body, 0, NULL);
    assert_int_equal(json_array_size(json_object_get(value, "errors")), 2);
    assert_string_equal(json_string_value(json_array_get(json_object_get(value, "errors"), 1)),
                        "gateway.conf:9: y");
    json_decref(value);
    api_reply_free(&reply);
    reply.asked = CHANNEL_STOP;
    api_result(&reply, 0, NULL, 0);
    assert_int_equal(reply.status, 200);
    assert_string_equal(reply.body, "{\"message\":\"done\"}");
    api_reply_free(&reply);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_get_answers),
        cmocka_unit_test(test_index_lists_the_table),
        cmocka_unit_test(test_unknown_path),
        cmocka_unit_test(test_wrong_method_names_the_right_ones),
        cmocka_unit_test(test_status_door_opens_two_calls),
        cmocka_unit_test(test_admin_door_refuses_web_pages),
        cmocka_unit_test(test_a_host_of_no_name),
        cmocka_unit_test(test_paths_are_normalised_first),
        cmocka_unit_test(test_parameter),
        cmocka_unit_test(test_text_of_any_bytes),
        cmocka_unit_test(test_results_of_the_master),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
