/* SPDX-License-Identifier: Apache-2.0 */
/* GET /cache/advise: its form before and after there was something to learn from. */
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

static void test_nothing_yet(void **state)
{
    json_t *o = fixture_json(fixture_ask_for(*state, "GET /cache/advise", ""));
    const json_t *dict = json_array_get(json_object_get(o, "dicts"), 0);

    assert_string_equal(json_string_value(json_object_get(dict, "name")), "gateway_cache");
    assert_int_equal(json_array_size(json_object_get(dict, "sizes")), 0);
    json_decref(o);
}

static void test_sizes(void **state)
{
    uint8_t id[CACHE_ID_SIZE];
    char path[16];

    for (int i = 0; i < 400; i++) {
        snprintf(path, sizeof path, "/%d", i);
        assert_true(fixture_store(*state, "h.example", path, NULL, id));
    }
    json_decref(fixture_json(fixture_ask_for(*state, "GET /cache/advise", "")));
    for (int i = 400; i < 800; i++) {
        snprintf(path, sizeof path, "/%d", i);
        assert_true(fixture_store(*state, "h.example", path, NULL, id));
    }
    json_t *o = fixture_json(fixture_ask_for(*state, "GET /cache/advise?dict=gateway_cache", ""));
    const json_t *dict = json_array_get(json_object_get(o, "dicts"), 0);
    const json_t *sizes = json_object_get(dict, "sizes");
    assert_int_equal(json_array_size(sizes), ADVICE_SIZES);
    assert_true(json_integer_value(json_object_get(dict, "events")) > 10);
    assert_true(json_real_value(json_object_get(dict, "sampled")) <= 1.0 / SAMPLES_FEWEST);
    assert_true(json_real_value(json_object_get(dict, "misses")) == 400);
    for (size_t i = 0; i < ADVICE_SIZES; i++) { /* each was asked for once: no size helps */
        const json_t *size = json_array_get(sizes, i);
        assert_int_equal(json_integer_value(json_object_get(size, "percent")), advice_percent[i]);
        assert_true(json_real_value(json_object_get(size, "fewer_misses")) == 0);
        assert_true(json_is_false(json_object_get(size, "ready")));
    }
    json_decref(o);
    o = fixture_json(fixture_ask_for(*state, "GET /cache/advise?dict=none", ""));
    assert_int_equal(json_array_size(json_object_get(o, "dicts")), 0);
    json_decref(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_nothing_yet, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sizes, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
