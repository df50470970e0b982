/* SPDX-License-Identifier: Apache-2.0 */
/* response-transformer: each change, on what an upstream said and on what plugins set. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "conf/plugins/plugin_response_transformer.h"
#include "tests/unit/worker/fake_stream.c"
#include "worker/plugins/plugins.h"

static struct stream s;
static struct conf_response_transformer config;
static struct conf_change only[CONF_CHANGE_KINDS];

static void change(enum conf_change_kind kind, const char *name, const char *to)
{
    only[kind] = (struct conf_change){ .name = fake_text(name), .to = fake_text(to) };
    config.headers.kinds[kind] = (struct conf_changes){ &only[kind], 1 };
}

static int setup(void **state)
{
    (void)state;
    config = (struct conf_response_transformer){ 0 };
    fake_request(&s, "GET /\n");
    memset(s.answered, 0, sizeof s.answered);
    s.answered[0] = (struct extra_field){ .name = SLICE("X-One"), .value = SLICE("1") };
    s.answered[1] = (struct extra_field){ .name = SLICE("Set-Cookie"), .value = SLICE("a=1") };
    s.answered[2] = (struct extra_field){ .name = SLICE("set-cookie"), .value = SLICE("b=2") };
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fake_free(&s);
    return 0;
}

static void expect(const char *name, const char *first, const char *second)
{
    struct slice values[3];
    size_t n = stream_get_response(&s, slice_of(name, strlen(name)), values, 3);
    assert_int_equal(n, (first != NULL) + (second != NULL));
    if (first)
        assert_true(slice_equal(values[0], slice_of(first, strlen(first))));
    if (second)
        assert_true(slice_equal(values[1], slice_of(second, strlen(second))));
}

static void run(void)
{
    response_transformer_ops.header_filter(&s, &config);
}

static void removes(void **state)
{
    (void)state;
    change(CONF_CHANGE_REMOVE, "set-cookie", "");
    stream_add_response(&s, SLICE("Set-Cookie"), SLICE("ours=1"));
    run();
    expect("Set-Cookie", NULL, NULL);
    expect("X-One", "1", NULL);
}

static void renames(void **state)
{
    (void)state;
    change(CONF_CHANGE_RENAME, "Set-Cookie", "X-Cookie");
    run();
    expect("Set-Cookie", NULL, NULL);
    expect("X-Cookie", "a=1", "b=2");
    change(CONF_CHANGE_RENAME, "x-one", "X-ONE");
    run();
    expect("X-One", "1", NULL);
}

static void replaces_and_adds(void **state)
{
    (void)state;
    change(CONF_CHANGE_REPLACE, "set-cookie", "c=3");
    change(CONF_CHANGE_ADD, "X-One", "no");
    run();
    expect("Set-Cookie", "c=3", NULL);
    expect("X-One", "1", NULL);
    change(CONF_CHANGE_REPLACE, "X-Two", "no");
    change(CONF_CHANGE_ADD, "X-Three", "3");
    run();
    expect("X-Two", NULL, NULL);
    expect("X-Three", "3", NULL);
}

static void appends(void **state)
{
    (void)state;
    change(CONF_CHANGE_APPEND, "X-One", "2");
    run();
    expect("X-One", "2", "1");
}

static void in_order(void **state)
{
    (void)state;
    change(CONF_CHANGE_REMOVE, "Set-Cookie", "");
    change(CONF_CHANGE_RENAME, "X-One", "X-Two");
    change(CONF_CHANGE_REPLACE, "X-Two", "2");
    change(CONF_CHANGE_ADD, "X-One", "new");
    change(CONF_CHANGE_APPEND, "Set-Cookie", "z=9");
    run();
    expect("X-One", "new", NULL);
    expect("X-Two", "2", NULL);
    expect("Set-Cookie", "z=9", NULL);
}

/* --- JSON ----------------------------------------------------------------------------------- */

static const struct conf_change removed = { .name = { "out", 3 } };

static void begin_json(const char *type, const char *coding)
{
    config.json.changes.kinds[CONF_CHANGE_REMOVE] = (struct conf_changes){ &removed, 1 };
    config.json.n = 1;
    config.json.max_size = 99;
    s.answered[3] = (struct extra_field){ .name = SLICE("Content-Type"),
                                          .value = slice_of(type, strlen(type)) };
    s.answered[4] = (struct extra_field){ .name = SLICE("ETag"), .value = SLICE("\"t\"") };
    s.answered[5] = (struct extra_field){ .name = SLICE("Digest"), .value = SLICE("d") };
    if (coding)
        s.answered[6] = (struct extra_field){ .name = SLICE("Content-Encoding"),
                                              .value = slice_of(coding, strlen(coding)) };
    run();
    assert_non_null(s.whole);
    assert_int_equal(s.whole_limit, 99);
    assert_true(s.whole->refuse);
}

static bool is_wanted(int status)
{
    struct reply reply = { .status = status, .length = REPLY_LENGTH };
    return s.whole->wanted(&s, s.whole_config, &reply);
}

static void json(void **state)
{
    struct slice out = SLICE("{\"x\":1}");
    (void)state;
    assert_int_equal(response_transformer_ops.access(&s, &config), STAGE_NEXT);
    assert_false(s.range_ignored);
    begin_json("application/json; charset=utf-8", NULL);
    assert_true(is_wanted(200));
    assert_false(is_wanted(206));
    assert_true(s.whole->replace(&s, s.whole_config, out, &out));
    assert_true(slice_equal(out, SLICE("{\"x\":1}")));
    expect("ETag", "\"t\"", NULL);
    expect("Digest", "d", NULL);
    assert_true(s.whole->replace(&s, s.whole_config, SLICE("{\"out\":1}"), &out));
    assert_true(slice_equal(out, SLICE("{}")));
    expect("ETag", "W/\"t\"", NULL);
    expect("Digest", NULL, NULL);
    assert_int_equal(response_transformer_ops.access(&s, &config), STAGE_NEXT);
    assert_true(s.range_ignored);
    assert_null(fake_upstream(&s, "Accept-Encoding")->p);
}

static void other_bodies(void **state)
{
    (void)state;
    begin_json("application/json", "gzip");
    assert_false(is_wanted(200));
    s.answered[6] = (struct extra_field){ .name = SLICE("X"), .value = SLICE("y") };
    assert_true(is_wanted(200));
    s.answered[3].value = SLICE("text/html");
    assert_false(is_wanted(200));
    config.json.n = 0;
    s.whole = NULL;
    run();
    assert_null(s.whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(removes, setup, teardown),
        cmocka_unit_test_setup_teardown(renames, setup, teardown),
        cmocka_unit_test_setup_teardown(replaces_and_adds, setup, teardown),
        cmocka_unit_test_setup_teardown(appends, setup, teardown),
        cmocka_unit_test_setup_teardown(in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(json, setup, teardown),
        cmocka_unit_test_setup_teardown(other_bodies, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
