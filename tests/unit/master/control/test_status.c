/* SPDX-License-Identifier: Apache-2.0 */
/* GET /status: sums over processes, routes, targets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "master/control/status.h"
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

static json_int_t number(const json_t *o, const char *group, const char *field)
{
    return json_integer_value(json_object_get(json_object_get(o, group), field));
}

static void test_status(void **state)
{
    struct fixture *f = *state;

    stats_add(&stats_process(&f->heritage.stats, 0)->accepted, 4);
    stats_add(&stats_process(&f->heritage.stats, 1)->unrouted.status[4], 2);
    stats_add(&stats_route(&f->heritage.stats, 1, 1)->status[4], 3);
    stats_add(&stats_route(&f->heritage.stats, 0, 1)->bytes_out, 100);
    fixture_row(f, 0)->verdict = HEALTH_DOWN;
    json_t *o = fixture_json(fixture_ask_for(f, "GET /status", ""));
    assert_int_equal(json_integer_value(json_object_get(o, "uptime")), 100);
    assert_int_equal(json_integer_value(json_object_get(o, "generation")), 3);
    assert_int_equal(number(o, "workers", "running"), 2);
    assert_int_equal(number(o, "connections", "accepted"), 4);
    assert_int_equal(number(json_object_get(o, "requests"), "codes", "4xx"), 5);
    assert_int_equal(number(o, "requests", "bytes_out"), 100);
    assert_int_equal(number(o, "upstream", "targets_up"), 1);
    assert_int_equal(number(o, "upstream", "targets_down"), 1);
    assert_int_equal(json_array_size(json_object_get(o, "shared_dicts")), 1);
    json_decref(o);
}

static void test_processes(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(status_processes(&f->api, ROLE_WORKER, BOARD_RUNNING), 2);
    assert_int_equal(status_processes(&f->api, ROLE_WORKER, BOARD_DRAINING), 0);
}

/* A dictionary that could not be attached is left out, not a reason to fall. */
static void test_without_a_dictionary(void **state)
{
    struct fixture *f = *state;
    struct cache *cache = f->api.caches[0];
    static const char *const lines[] = {
        "GET /status",        "GET /cache",
        "GET /stat",          "GET /metrics",
        "GET /cache/keys",    "GET /proxy-cache/00112233445566778899aabbccddeeff",
        "DELETE /proxy-cache"
    };

    f->api.caches[0] = NULL;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        char *answer = fixture_ask_for(f, lines[i], "");
        assert_int_equal(fixture_status(answer), i == 5 ? 404 : i == 6 ? 204 : 200);
        free(answer);
    }
    f->api.caches[0] = cache;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_status),
        cmocka_unit_test(test_processes),
        cmocka_unit_test(test_without_a_dictionary),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
