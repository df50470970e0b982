/* SPDX-License-Identifier: Apache-2.0 */
/* Routes, services and upstreams over the API. */
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

static const char *text_at(const json_t *list, size_t i, const char *field)
{
    return json_string_value(json_object_get(json_array_get(list, i), field));
}

static void test_routes(void **state)
{
    struct fixture *f = *state;
    struct stats_route_shm *row = stats_route(&f->heritage.stats, 0, 0);

    stats_add(&row->requests, 5);
    json_t *o = fixture_json(fixture_ask_for(f, "GET /routes", ""));
    const json_t *list = json_object_get(o, "routes"), *first = json_array_get(list, 0);
    assert_int_equal(json_array_size(list), 2);
    assert_string_equal(text_at(list, 0, "name"), "orders");
    assert_string_equal(text_at(list, 0, "service"), "orders");
    assert_string_equal(json_string_value(json_array_get(json_object_get(first, "paths"), 0)),
                        "/orders");
    assert_string_equal(json_string_value(json_array_get(json_object_get(first, "plugins"), 0)),
                        "proxy-cache");
    assert_int_equal(json_array_size(json_object_get(first, "protocols")), 2);
    assert_int_equal(json_integer_value(json_object_get(first, "requests")), 5);
    assert_int_equal(json_array_size(json_object_get(json_array_get(list, 1), "paths")), 0);
    json_decref(o);
}

static void test_services(void **state)
{
    json_t *o = fixture_json(fixture_ask_for(*state, "GET /services", ""));
    const json_t *list = json_object_get(o, "services");

    assert_int_equal(json_array_size(list), 1);
    assert_string_equal(text_at(list, 0, "upstream"), "orders.v1");
    assert_string_equal(text_at(list, 0, "protocol"), "http");
    assert_int_equal(json_array_size(json_object_get(json_array_get(list, 0), "routes")), 2);
    json_decref(o);
}

static void test_upstreams(void **state)
{
    struct fixture *f = *state;
    struct health_peer_shm *row = fixture_row(f, 1);

    row->verdict = HEALTH_DOWN;
    row->failures = 4;
    *health_in_flight(&f->heritage.health, row, 0) = 2;
    *health_in_flight(&f->heritage.health, row, 1) = 3;
    json_t *o = fixture_json(fixture_ask_for(f, "GET /upstreams", ""));
    const json_t *targets =
        json_object_get(json_array_get(json_object_get(o, "upstreams"), 0), "targets");
    assert_int_equal(json_array_size(targets), 2);
    assert_string_equal(text_at(targets, 0, "state"), "up");
    assert_string_equal(text_at(targets, 1, "state"), "down");
    assert_int_equal(json_integer_value(json_object_get(json_array_get(targets, 1), "failures")),
                     4);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(targets, 1), "in_flight")),
                     5);
    json_decref(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_routes),
        cmocka_unit_test(test_services),
        cmocka_unit_test(test_upstreams),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
