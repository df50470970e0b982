/* SPDX-License-Identifier: Apache-2.0 */
/* The dictionaries over the API: look, list, one object and all on Kong's paths. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/master/control/api_fixture.h"

static const char plugin[] = "abababab-abab-abab-abab-abababababab";

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

static int call(struct fixture *f, const char *format, const char *a, const char *b)
{
    char line[512];

    snprintf(line, sizeof line, format, a, b);
    char *answer = fixture_ask_for(f, line, "");
    int status = fixture_status(answer);
    free(answer);
    return status;
}

static void test_one_object(void **state)
{
    uint8_t id[CACHE_ID_SIZE];
    char hex[40], line[128];

    assert_true(fixture_store(*state, "h.example", "/a", "x=1", id));
    fixture_hex(id, hex);
    snprintf(line, sizeof line, "GET /proxy-cache/%s", hex);
    json_t *o = fixture_json(fixture_ask_for(*state, line, ""));
    assert_string_equal(json_string_value(json_object_get(o, "key")), hex);
    assert_string_equal(json_string_value(json_object_get(o, "url")), "h.example/a?x=1");
    assert_string_equal(json_string_value(json_object_get(o, "route")), "orders");
    assert_string_equal(json_string_value(json_object_get(o, "plugin")), plugin);
    assert_true(json_is_null(json_object_get(o, "consumer")));
    assert_int_equal(json_integer_value(json_object_get(o, "status")), 200);
    assert_int_equal(json_integer_value(json_object_get(o, "age")), 10);
    assert_int_equal(json_integer_value(json_object_get(o, "ttl")), 290);
    assert_int_equal(json_integer_value(json_object_get(o, "size")), 5);
    const json_t *headers = json_object_get(o, "headers");
    assert_string_equal(json_string_value(json_object_get(headers, "Content-Type")), "text/plain");
    assert_int_equal(json_array_size(json_object_get(headers, "X-Two")), 2);
    json_decref(o);
}

static void test_kongs_paths(void **state)
{
    uint8_t id[CACHE_ID_SIZE];
    char hex[40];

    assert_true(fixture_store(*state, "h.example", "/a", NULL, id));
    fixture_hex(id, hex);
    assert_int_equal(call(*state, "GET /proxy-cache/%s/caches/%s", plugin, hex), 200);
    assert_int_equal(
        call(*state, "GET /proxy-cache/%s/caches/%s", "ababab00-abab-abab-abab-abababababab", hex),
        404);
    assert_int_equal(call(*state, "DELETE /proxy-cache/%s/caches/%s", "no-uuid", hex), 404);
    assert_int_equal(call(*state, "DELETE /proxy-cache/%s/caches/%s", plugin, hex), 204);
    assert_int_equal(call(*state, "GET /proxy-cache/%s%s", hex, ""), 404);
    assert_int_equal(call(*state, "DELETE /proxy-cache/%s%s", hex, ""), 404);
    assert_true(fixture_store(*state, "h.example", "/a", NULL, id));
    assert_int_equal(call(*state, "DELETE /proxy-cache/%s%s", hex, ""), 204);
    assert_true(fixture_store(*state, "h.example", "/a", NULL, id));
    assert_int_equal(call(*state, "DELETE /proxy-cache/%s%s", "", ""), 204);
    assert_int_equal(call(*state, "GET /proxy-cache/%s%s", hex, ""), 404);
    assert_true(fixture_store(*state, "h.example", "/a", NULL, id));
    assert_int_equal(call(*state, "DELETE /proxy-cache%s%s", "", ""), 204);
    assert_int_equal(call(*state, "GET /proxy-cache/%s%s", hex, ""), 404);
    assert_int_equal(call(*state, "GET /proxy-cache/%s%s", "nonsense", ""), 404);
}

static size_t keys(struct fixture *f, const char *query)
{
    char line[512];

    snprintf(line, sizeof line, "GET /cache/keys%s", query);
    json_t *o = fixture_json(fixture_ask_for(f, line, ""));
    size_t n = json_is_array(json_object_get(o, "keys"))
                   ? json_array_size(json_object_get(o, "keys"))
                   : 9999;
    json_decref(o);
    return n;
}

static void test_list(void **state)
{
    uint8_t id[CACHE_ID_SIZE];
    char path[16];

    for (int i = 0; i < 30; i++) {
        snprintf(path, sizeof path, "/%d", i);
        assert_true(fixture_store(*state, "h.example", path, NULL, id));
    }
    assert_int_equal(keys(*state, ""), 30);
    assert_int_equal(keys(*state, "?limit=7"), 7);
    assert_int_equal(keys(*state, "?dict=gateway_cache"), 30);
    assert_int_equal(keys(*state, "?dict=other"), 0);
    assert_int_equal(keys(*state, "?url=http%3A%2F%2Fh.example%2F12"), 1);
    assert_int_equal(keys(*state, "?url=h.example/12&method=HEAD"), 1);
    assert_int_equal(keys(*state, "?url=h.example/12&method=POST"), 0);
    assert_int_equal(call(*state, "GET /cache/keys?limit=%s%s", "0", ""), 400);
    assert_int_equal(call(*state, "GET /cache/keys?limit=%s%s", "-5", ""), 400);
    assert_int_equal(call(*state, "GET /cache/keys?url=%s%s", "http://", ""), 400);
}

static void test_stat(void **state)
{
    json_t *o = fixture_json(fixture_ask_for(*state, "GET /cache", ""));
    const json_t *dict = json_array_get(json_object_get(o, "dicts"), 0);

    assert_string_equal(json_string_value(json_object_get(dict, "name")), "gateway_cache");
    assert_true(json_integer_value(json_object_get(dict, "size")) > 3 << 20);
    assert_int_equal(json_integer_value(json_object_get(dict, "objects")), 0);
    json_decref(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_one_object, setup, teardown),
        cmocka_unit_test_setup_teardown(test_kongs_paths, setup, teardown),
        cmocka_unit_test_setup_teardown(test_list, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stat, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
