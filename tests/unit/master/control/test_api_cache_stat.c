/* SPDX-License-Identifier: Apache-2.0 */
/* GET /cache: every part of it, in numbers that follow from what was stored. */
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

static json_int_t number(const json_t *o, const char *a, const char *b)
{
    const json_t *value = json_object_get(o, a);

    if (b != NULL)
        value = json_object_get(value, b);
    assert_true(json_is_integer(value));
    return json_integer_value(value);
}

static void test_dictionary(void **state)
{
    struct fixture *f = *state;
    uint8_t id[CACHE_ID_SIZE];
    char path[16];

    for (int i = 0; i < 20; i++) {
        snprintf(path, sizeof path, "/%d", i);
        assert_true(fixture_store(f, "h.example", path, NULL, id));
    }
    json_t *o = fixture_json(fixture_ask_for(f, "GET /cache", ""));
    const json_t *dict = json_array_get(json_object_get(o, "dicts"), 0);
    assert_string_equal(json_string_value(json_object_get(dict, "name")), "gateway_cache");
    assert_int_equal(number(dict, "objects", NULL), 20);
    assert_int_equal(number(dict, "fills", NULL), 20);
    assert_int_equal(number(dict, "waits", NULL), 0);
    assert_int_equal(number(json_object_get(dict, "queues"), "small", "objects"), 20);
    assert_int_equal(number(json_object_get(dict, "queues"), "main", "objects"), 0);
    assert_int_equal(number(dict, "tickets", "open"), 0);
    assert_int_equal(number(dict, "evicted_age", "recent"), 0);
    assert_int_equal(number(dict, "pages", NULL),
                     number(dict, "free_pages", NULL) + number(dict, "slab_pages", NULL) +
                         number(dict, "index_pages", NULL) + number(dict, "ledger_pages", NULL));
    double fragmentation = json_real_value(json_object_get(dict, "fragmentation"));
    assert_true(fragmentation > 0 && fragmentation < 1);
    const json_t *classes = json_object_get(dict, "classes");
    assert_true(json_array_size(classes) > 0);
    assert_true(number(json_array_get(classes, 0), "used", NULL) > 0);
    json_decref(o);
}

static void test_requests_by_status(void **state)
{
    struct fixture *f = *state;
    struct stats_route_shm *row = stats_route(&f->heritage.stats, 0, 0);

    stats_add(&row->cache[STATS_HIT], 5);
    stats_add(&row->cache[STATS_BYPASS], 2);
    json_t *o = fixture_json(fixture_ask_for(f, "GET /cache", ""));
    assert_int_equal(number(o, "requests", "hit"), 5);
    assert_int_equal(number(o, "requests", "bypass"), 2);
    assert_int_equal(number(o, "requests", "updating"), 0);
    json_decref(o);
}

static void test_one_dictionary(void **state)
{
    json_t *o = fixture_json(fixture_ask_for(*state, "GET /cache?dict=gateway_cache", ""));

    assert_int_equal(json_array_size(json_object_get(o, "dicts")), 1);
    json_decref(o);
    o = fixture_json(fixture_ask_for(*state, "GET /cache?dict=other", ""));
    assert_int_equal(json_array_size(json_object_get(o, "dicts")), 0);
    json_decref(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_dictionary, setup, teardown),
        cmocka_unit_test_setup_teardown(test_requests_by_status, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_dictionary, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
