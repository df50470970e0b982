/* SPDX-License-Identifier: Apache-2.0 */
/* request-termination: every field of its configuration; the echo is read back as JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "conf/plugins/plugin_request_termination.h"
#include "tests/unit/worker/fake_stream.c"
#include "worker/plugins/plugins.h"
#include <jansson.h>
#include <unistd.h>

static struct stream s;
static struct conf_request_termination config;

static int setup(void **state)
{
    (void)state;
    s.route = (struct conf_route){ .name = fake_text("orders"), .id = fake_text("r-1") };
    s.service = (struct conf_service){ .name = fake_text("shop"), .id = fake_text("s-1") };
    config = (struct conf_request_termination){ .status_code = 503,
                                                .message = fake_text(""),
                                                .content_type = fake_text(""),
                                                .body = fake_text(""),
                                                .trigger = fake_text("") };
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fake_free(&s);
    return 0;
}

static enum stage_result run(const char *request)
{
    fake_request(&s, request);
    return request_termination_ops.access(&s, &config);
}

static void expect_message(int status, const char *message)
{
    assert_int_equal(run("GET /\n"), STAGE_DONE);
    assert_int_equal(s.status, status);
    assert_true(slice_equal(s.message, slice_of(message, strlen(message))));
}

static void messages(void **state)
{
    static const struct {
        int status;
        const char *message;
    } defaults[] = { { 401, "Unauthorized" },
                     { 404, "Not found" },
                     { 405, "Method not allowed" },
                     { 500, "An unexpected error occurred" },
                     { 502, "Bad Gateway" },
                     { 503, "Service unavailable" },
                     { 418, "" } };
    (void)state;
    for (size_t i = 0; i < sizeof(defaults) / sizeof(*defaults); i++) {
        config.status_code = defaults[i].status;
        expect_message(defaults[i].status, defaults[i].message);
    }
    assert_int_equal(s.body.n, 0); /* 418 has nothing to say */
    config.message = fake_text("so long");
    expect_message(418, "so long");
}

static void bodies(void **state)
{
    (void)state;
    config.status_code = 200;
    config.body = fake_text("<p>closed</p>");
    assert_int_equal(run("GET /\n"), STAGE_DONE);
    assert_int_equal(s.status, 200);
    assert_true(slice_equal(s.body, SLICE("<p>closed</p>")));
    assert_true(slice_equal(s.content_type, SLICE("application/json; charset=utf-8")));
    config.content_type = fake_text("text/html");
    run("GET /\n");
    assert_true(slice_equal(s.content_type, SLICE("text/html")));
}

static void triggers(void **state)
{
    (void)state;
    config.trigger = fake_text("x-stop");
    assert_int_equal(run("GET /?y=x-stop\nX-Go: x-stop\n"), STAGE_NEXT);
    assert_int_equal(s.status, 0);
    assert_int_equal(run("GET /\nX-Stop: 1\n"), STAGE_DONE);
    assert_int_equal(run("GET /\nX-Stop:\n"), STAGE_DONE);
    assert_int_equal(run("GET /?a&x-stop=1\n"), STAGE_DONE);
    assert_int_equal(run("GET /?x-stop\n"), STAGE_DONE);
    assert_int_equal(run("GET /?X-Stop\n"), STAGE_NEXT);
}

static json_t *echo(const char *request)
{
    json_error_t error;
    config.echo = true;
    assert_int_equal(run(request), STAGE_DONE);
    assert_true(slice_equal(s.content_type, SLICE("application/json; charset=utf-8")));
    json_t *root = json_loadb(s.body.p, s.body.n, JSON_REJECT_DUPLICATES, &error);
    assert_non_null(root);
    return root;
}

/* The text at a path of names, "request.headers.host". */
static const char *text_at(const json_t *at, const char *path)
{
    char name[64];
    while (*path) {
        size_t n = strcspn(path, ".");
        snprintf(name, sizeof(name), "%.*s", (int)n, path);
        at = json_object_get(at, name);
        path += n + (path[n] == '.');
    }
    return json_string_value(at);
}

static void echoes(void **state)
{
    (void)state;
    json_t *root = echo("GET /a%20b?x=1&y=%22&x=2&z&\nX-One: 1\nx-one: \"2\"\nX-Two: \xff\n");
    assert_string_equal(text_at(root, "message"), "Service unavailable");
    assert_string_equal(text_at(root, "request.scheme"), "http");
    assert_string_equal(text_at(root, "request.method"), "GET");
    assert_string_equal(text_at(root, "request.host"), "h");
    assert_string_equal(text_at(root, "request.headers.host"), "h");
    assert_string_equal(text_at(root, "request.headers.x-two"), "\xef\xbf\xbd");
    assert_string_equal(text_at(root, "request.query.y"), "\"");
    assert_string_equal(text_at(root, "matched_route.name"), "orders");
    assert_string_equal(text_at(root, "matched_service.id"), "s-1");
    const json_t *request = json_object_get(root, "request");
    const json_t *ones = json_object_get(json_object_get(request, "headers"), "x-one");
    assert_int_equal(json_array_size(ones), 2);
    assert_string_equal(json_string_value(json_array_get(ones, 1)), "\"2\"");
    const json_t *query = json_object_get(request, "query");
    assert_int_equal(json_array_size(json_object_get(query, "x")), 2);
    assert_true(json_is_true(json_object_get(query, "z")));
    assert_int_equal(json_integer_value(json_object_get(request, "port")), 80);
    assert_int_equal(
        json_integer_value(json_object_get(json_object_get(root, "kong"), "worker_pid")), getpid());
    json_decref(root);
}

/* The worst case of what was measured: nothing but bytes that grow, many times. */
static void echo_has_room(void **state)
{
    char request[12000] = "GET /";
    (void)state;
    size_t n = strlen(request);
    n += (size_t)sprintf(request + n, "?");
    for (int i = 0; i < 300; i++)
        n += (size_t)sprintf(request + n, "%%01%02x=%%ff&", i);
    n += (size_t)sprintf(request + n, "\n");
    for (int i = 0; i < 100; i++)
        n += (size_t)sprintf(request + n, "N%d: \xff\"\xff\"\xff\"\xff\"\xff\"\xff\"\n", i % 50);
    config.status_code = 299;
    json_t *root = echo(request);
    assert_null(json_object_get(root, "message"));
    assert_int_equal(json_object_size(json_object_get(json_object_get(root, "request"), "query")),
                     100);
    assert_int_equal(json_object_size(json_object_get(json_object_get(root, "request"), "headers")),
                     51);
    json_decref(root);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(messages, setup, teardown),
        cmocka_unit_test_setup_teardown(bodies, setup, teardown),
        cmocka_unit_test_setup_teardown(triggers, setup, teardown),
        cmocka_unit_test_setup_teardown(echoes, setup, teardown),
        cmocka_unit_test_setup_teardown(echo_has_room, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
