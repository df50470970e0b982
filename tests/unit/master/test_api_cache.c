/* SPDX-License-Identifier: Apache-2.0 */
/* The dictionaries over the API: look, list, purge one, a URL with its variants, all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/master/api_fixture.h"

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

static json_int_t purge(struct fixture *f, const char *body)
{
    json_t *o = fixture_json(fixture_ask_for(f, "POST /purge", body));
    const json_t *n = json_object_get(o, "purged");
    json_int_t result = json_is_integer(n) ? json_integer_value(n) : -1;

    json_decref(o);
    return result;
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
    assert_int_equal(purge(*state, "{\"all\": true}"), 30);
    assert_int_equal(keys(*state, ""), 0);
}

static void test_purge_a_url_with_its_variants(void **state)
{
    struct cache_key_parts parts = { .route_id = SLICE(FIXTURE_ROUTE_ID),
                                     .method = SLICE("GET"),
                                     .host = SLICE("h.example"),
                                     .path = SLICE("/v"),
                                     .query = SLICE("a=1"),
                                     .vary_n = 1 };
    static const struct slice vary[] = { SLICE("gzip"), SLICE("br"), SLICE("") };
    uint8_t id[CACHE_ID_SIZE];

    for (size_t i = 0; i < 3; i++) {
        parts.vary[0] = vary[i];
        assert_true(fixture_store_as(*state, &parts, id));
    }
    parts.consumer_id = SLICE("alice");
    assert_true(fixture_store_as(*state, &parts, id));
    parts.query = SLICE("a=2");
    assert_true(fixture_store_as(*state, &parts, id));
    assert_int_equal(purge(*state, "{\"url\": \"https://H.example:8443/x/../v?a=1#top\"}"), 4);
    assert_int_equal(keys(*state, ""), 1);
    assert_int_equal(purge(*state, "{\"url\": \"h.example/v?a=1\"}"), 0);
    assert_int_equal(purge(*state, "{\"url\": \"h.example/v?a=2\"}"), 1);
}

static void test_purge_more_than_a_portion(void **state)
{
    struct cache_key_parts parts = { .route_id = SLICE(FIXTURE_ROUTE_ID),
                                     .method = SLICE("GET"),
                                     .host = SLICE("h.example"),
                                     .path = SLICE("/many"),
                                     .vary_n = 1 };
    uint8_t id[CACHE_ID_SIZE];
    char value[16];

    for (int i = 0; i < 2100; i++) {
        parts.vary[0] = slice_of(value, (size_t)snprintf(value, sizeof value, "%d", i));
        assert_true(fixture_store_as(*state, &parts, id));
    }
    size_t before = keys(*state, "?limit=1000");
    assert_int_equal(before, 1000);
    assert_int_equal(purge(*state, "{\"url\": \"h.example/many\"}"), 2100);
    assert_int_equal(keys(*state, ""), 0);
}

static void test_purge_by_key(void **state)
{
    uint8_t id[CACHE_ID_SIZE];
    char hex[40], body[80];

    assert_true(fixture_store(*state, "h.example", "/a", NULL, id));
    fixture_hex(id, hex);
    snprintf(body, sizeof body, "{\"key\": \"%s\"}", hex);
    assert_int_equal(purge(*state, body), 1);
    assert_int_equal(purge(*state, body), 0);
}

static void test_bodies_that_say_nothing(void **state)
{
    static const char *const bodies[] = { "",
                                          "x",
                                          "[]",
                                          "{}",
                                          "{\"url\":1}",
                                          "{\"all\":1}",
                                          "{\"all\":false}",
                                          "{\"key\":\"12\"}",
                                          "{\"url\":\"\"}",
                                          "{\"url\":\"h/\",\"all\":true}",
                                          "{\"url\":\"h/%zz\"}",
                                          "{\"url\":\"u@h/\"}" };
    uint8_t id[CACHE_ID_SIZE];

    assert_true(fixture_store(*state, "h.example", "/a", NULL, id));
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        char *answer = fixture_ask_for(*state, "POST /purge", bodies[i]);
        assert_int_equal(fixture_status(answer), 400);
        free(answer);
    }
    assert_int_equal(keys(*state, ""), 1);
    assert_int_equal(purge(*state, "{\"all\":true}"), 1);
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
        cmocka_unit_test_setup_teardown(test_purge_a_url_with_its_variants, setup, teardown),
        cmocka_unit_test_setup_teardown(test_purge_more_than_a_portion, setup, teardown),
        cmocka_unit_test_setup_teardown(test_purge_by_key, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bodies_that_say_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stat, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
