/* SPDX-License-Identifier: Apache-2.0 */
/* request-transformer: each change of fields and arguments, alone and in their order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "conf/plugins/plugin_request_transformer.h"
#include "tests/unit/worker/fake_stream.c"
#include "worker/plugins/plugins.h"

enum { CHANGES = 4 };

static struct stream s;
static struct memory memory;
static jmp_buf no_memory;
static struct conf_request_transformer config;
static struct conf_change changes[3][CONF_CHANGE_KINDS][CHANGES];

/* Adds a change; `to` NULL: to a removal. */
static void change(struct conf_transform *list, enum conf_change_kind kind, const char *name,
                   const char *to)
{
    struct conf_changes *c = &list->kinds[kind];
    int of = list == &config.querystring ? 1 : list == &config.body.changes ? 2 : 0;
    struct conf_change *one = &changes[of][kind][c->n++];
    char why[128];
    c->v = one - (c->n - 1);
    *one = (struct conf_change){ .name = fake_text(name), .to = fake_text(to ? to : "") };
    if (kind > CONF_CHANGE_RENAME) {
        one->value = template_read(&memory, one->to, why, sizeof why);
        assert_non_null(one->value);
    }
}

static int clear(void **state)
{
    (void)state;
    memory.no_memory = &no_memory;
    config = (struct conf_request_transformer){ .http_method = fake_text("") };
    return 0;
}

static void run(const char *request)
{
    fake_request(&s, request);
    assert_int_equal(request_transformer_ops.access(&s, &config), STAGE_NEXT);
}

static void field_is(const char *name, const char *value)
{
    const struct slice *found = fake_upstream(&s, name);
    assert_non_null(found);
    if (!value) {
        assert_null(found->p);
        return;
    }
    assert_non_null(found->p);
    assert_true(slice_equal(*found, slice_of(value, strlen(value))));
}

static void query_is(const char *wanted)
{
    if (!wanted)
        assert_null(s.request.query.p);
    else
        assert_true(slice_equal(s.request.query, slice_of(wanted, strlen(wanted))));
}

static void fields(void **state)
{
    (void)state;
    change(&config.headers, CONF_CHANGE_REMOVE, "x-out", NULL);
    change(&config.headers, CONF_CHANGE_RENAME, "x-old", "x-new");
    change(&config.headers, CONF_CHANGE_REPLACE, "x-there", "other");
    change(&config.headers, CONF_CHANGE_ADD, "x-add", "$(headers.x_there)");
    change(&config.headers, CONF_CHANGE_APPEND, "x-list", "last");
    run("GET /\nX-Out: 1\nX-Old: a\nX-Old: b\nX-There: t\nX-List: 1\nX-List: 2\n");
    field_is("x-out", NULL);
    field_is("x-old", NULL);
    field_is("x-new", "a, b");
    field_is("x-there", "other");
    field_is("x-add", "t"); /* of the request as it came */
    field_is("x-list", "1, 2, last");
    run("GET /\nX-Add: here\n");
    field_is("x-list", "last");
    assert_null(fake_upstream(&s, "x-new"));
    assert_null(fake_upstream(&s, "x-there"));
    assert_null(fake_upstream(&s, "x-add"));
}

static void one_after_the_other(void **state)
{
    (void)state;
    change(&config.headers, CONF_CHANGE_REMOVE, "a", NULL);
    change(&config.headers, CONF_CHANGE_RENAME, "b", "a");
    change(&config.headers, CONF_CHANGE_REPLACE, "a", "r");
    change(&config.headers, CONF_CHANGE_ADD, "b", "x");
    change(&config.headers, CONF_CHANGE_APPEND, "cookie", "k=v");
    run("GET /\na: 1\nb: 2\nCookie: x=y\n");
    field_is("a", "r");
    field_is("b", "x");
    field_is("cookie", "x=y; k=v");
}

static void what_other_plugins_set_counts(void **state)
{
    (void)state;
    change(&config.headers, CONF_CHANGE_RENAME, "X-Consumer-ID", "X-User");
    fake_request(&s, "GET /\nX-Consumer-ID: forged\n");
    stream_set_upstream(&s, SLICE("X-Consumer-ID"), SLICE("a1"));
    assert_int_equal(request_transformer_ops.access(&s, &config), STAGE_NEXT);
    field_is("X-User", "a1");
    fake_request(&s, "GET /\nX-Consumer-ID: forged\n");
    stream_drop_upstream(&s, SLICE("X-Consumer-ID"));
    assert_int_equal(request_transformer_ops.access(&s, &config), STAGE_NEXT);
    assert_null(fake_upstream(&s, "X-User"));
}

static void host(void **state)
{
    (void)state;
    change(&config.headers, CONF_CHANGE_REPLACE, "Host", "$(query_params.h)");
    run("GET /?h=a.example:81\n");
    field_is("Host", "a.example:81");
    static const char *const bad[] = { "GET /?h=a%20b\n", "GET /?h=a%0d%0ab\n", "GET /\n",
                                       "GET /?h=a/b\n", "GET /?h=a,b\n" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        fake_request(&s, bad[i]);
        assert_int_equal(request_transformer_ops.access(&s, &config), STAGE_DONE);
        assert_int_equal(s.status, 400);
    }
}

static void arguments(void **state)
{
    (void)state;
    change(&config.querystring, CONF_CHANGE_REMOVE, "out", NULL);
    change(&config.querystring, CONF_CHANGE_RENAME, "old", "n w");
    change(&config.querystring, CONF_CHANGE_REPLACE, "there", "$(query_params.v)");
    change(&config.querystring, CONF_CHANGE_ADD, "add", "a&b");
    change(&config.querystring, CONF_CHANGE_APPEND, "list", "last");
    run("GET /?a=%20&out=1&o%6Cd=2&n+w=3&there=4&out&there&v=x%26&list=1\n");
    query_is("a=%20&n%20w=2&there=x%26&v=x%26&list=1&add=a%26b&list=last");
    assert_true(slice_equal(s.request.uri.query,
                            SLICE("a=%20&out=1&o%6Cd=2&n+w=3&there=4&out&there&v=x%26&list=1")));
    run("GET /\n");
    query_is("add=a%26b&list=last");
    run("GET /?add&n%20w=stays\n");
    query_is("add&n%20w=stays&list=last");
}

static void the_last_argument_leaves_nothing(void **state)
{
    (void)state;
    change(&config.querystring, CONF_CHANGE_REMOVE, "a", NULL);
    run("GET /?a=1&a\n");
    query_is(NULL);
    run("GET /\n");
    query_is(NULL);
}

static void method_and_uri(void **state)
{
    char why[128];
    (void)state;
    config.http_method = fake_text("POST");
    config.uri = template_read(&memory, fake_text("/n/$(query_params.id)"), why, sizeof why);
    run("GET /old?id=a/b\n");
    assert_int_equal(s.request.method, METHOD_POST);
    assert_true(slice_equal(s.request.method_text, SLICE("POST")));
    assert_true(slice_equal(s.request.path, SLICE("/n/a%2Fb")));
    assert_null(s.request.chosen.p);
    config.by_field = true;
    run("HEAD /old?id=x\n");
    assert_null(s.request.method_text.p);
    assert_true(slice_equal(s.request.chosen, SLICE("/n/x?id=x")));
    run("GET /\nConnection: upgrade\nUpgrade: websocket\n");
    assert_null(s.request.method_text.p);
}

static void body_becomes(const char *body, const char *wanted)
{
    struct arena arena;
    struct slice out = { NULL, 0 };
    arena_init(&arena, NULL, 0);
    assert_non_null(s.body_edit);
    assert_int_equal(s.body_edit->edit(s.body_edit, slice_of(body, strlen(body)), &arena, &out),
                     EDIT_DONE);
    assert_true(slice_equal(out, slice_of(wanted, strlen(wanted))));
    arena_reset(&arena);
}

static void bodies(void **state)
{
    (void)state;
    change(&config.body.changes, CONF_CHANGE_REMOVE, "out", NULL);
    change(&config.body.changes, CONF_CHANGE_ADD, "a.b", "$(headers.x)");
    config.body.n = 2;
    config.body.max_size = 77;
    config.body.dots_in_keys = true;
    run("POST /\nContent-Type: application/JSON; charset=utf-8\nX: \"1\n");
    assert_int_equal(s.body_limit, 77);
    body_becomes("{\"out\":1}", "{\"a.b\":\"\\\"1\"}");
    config.body.dots_in_keys = false;
    run("POST /\nContent-Type: application/json\nContent-Encoding: identity\n");
    body_becomes("{\"out\":1}", "{\"a\":{\"b\":\"\"}}");
    run("POST /\nContent-Type: application/x-www-form-urlencoded\nX: a b\n");
    body_becomes("out=1&x=2", "x=2&a.b=a%20b");
    run("POST /\nContent-Type: multipart/form-data; boundary=B\nX: v\n");
    body_becomes("--B\r\nContent-Disposition: form-data; name=\"out\"\r\n\r\n1\r\n--B--\r\n",
                 "--B\r\nContent-Disposition: form-data; name=\"a.b\"\r\n\r\nv\r\n--B--\r\n");
}

static void other_bodies_stream(void **state)
{
    static const char *const others[] = { "POST /\n",
                                          "POST /\nContent-Type: application/json-patch+json\n",
                                          "POST /\nContent-Type: text/plain\n",
                                          "POST /\nContent-Type: multipart/form-data\n",
                                          "POST /\nContent-Type: application/json\n"
                                          "Content-Encoding: gzip\n" };
    (void)state;
    change(&config.body.changes, CONF_CHANGE_REMOVE, "out", NULL);
    config.body.n = 1;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        run(others[i]);
        assert_null(s.body_edit);
    }
    change(&config.headers, CONF_CHANGE_ADD, "Content-Type", "application/json");
    run("POST /\n");
    assert_non_null(s.body_edit);
    config.body.n = 0;
    run("POST /\nContent-Type: application/json\n");
    assert_null(s.body_edit);
}

static int teardown(void **state)
{
    (void)state;
    fake_free(&s);
    memory_free(&memory);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(fields, clear, NULL),
        cmocka_unit_test_setup_teardown(one_after_the_other, clear, NULL),
        cmocka_unit_test_setup_teardown(what_other_plugins_set_counts, clear, NULL),
        cmocka_unit_test_setup_teardown(host, clear, NULL),
        cmocka_unit_test_setup_teardown(arguments, clear, NULL),
        cmocka_unit_test_setup_teardown(the_last_argument_leaves_nothing, clear, NULL),
        cmocka_unit_test_setup_teardown(method_and_uri, clear, NULL),
        cmocka_unit_test_setup_teardown(bodies, clear, NULL),
        cmocka_unit_test_setup_teardown(other_bodies_stream, clear, NULL),
    };
    return cmocka_run_group_tests(tests, NULL, teardown);
}
