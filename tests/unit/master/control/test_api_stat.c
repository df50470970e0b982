/* SPDX-License-Identifier: Apache-2.0 */
/* Every counter, flat. */
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

static void test_counters(void **state)
{
    struct fixture *f = *state;
    uint8_t id[CACHE_ID_SIZE];

    stats_add(&stats_process(&f->heritage.stats, 0)->requests, 40);
    stats_add(&stats_process(&f->heritage.stats, 1)->requests, 2);
    stats_add(&stats_route(&f->heritage.stats, 1, 0)->requests, 9);
    stats_add(&stats_route(&f->heritage.stats, 1, 0)->cache[STATS_MISS], 8);
    assert_true(fixture_store(f, "h", "/a", NULL, id));
    json_t *o = fixture_json(fixture_ask_for(f, "GET /stat", ""));
    assert_int_equal(json_integer_value(json_object_get(o, "process.requests")), 42);
    assert_int_equal(json_integer_value(json_object_get(o, "route.orders.requests")), 9);
    assert_int_equal(json_integer_value(json_object_get(o, "route.orders.cache.miss")), 8);
    assert_null(json_object_get(o, "route.quiet \"one\".requests"));
    assert_int_equal(json_integer_value(json_object_get(o, "dict.gateway_cache.objects")), 1);
    assert_int_equal(json_integer_value(json_object_get(o, "restarts")), 1);
    assert_non_null(json_object_get(o, "route.(none).requests"));
    json_decref(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counters),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
