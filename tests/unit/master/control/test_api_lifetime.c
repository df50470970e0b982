/* SPDX-License-Identifier: Apache-2.0 */
/* The arithmetic of freshness, term by term. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "master/control/api_lifetime.h"
#include "worker/http/reuse.h"

enum { STORED = 1000000 };

static const struct cache_meta plain = {
    .stored = STORED,
    .keep_until = STORED + 500,
    .initial_age = 10,
    .fresh_for = 70,
    .stale_while = 20,
    .stale_error = 300,
    .flags = (uint32_t)REUSE_FROM_S_MAXAGE << REUSE_FROM_SHIFT | REUSE_STRICT,
};

static json_int_t number(const json_t *o, const char *name)
{
    assert_true(json_is_integer(json_object_get(o, name)));
    return json_integer_value(json_object_get(o, name));
}

static const char *text(const json_t *o, const char *name)
{
    return json_string_value(json_object_get(o, name));
}

static void test_fresh(void **state)
{
    json_t *o = api_lifetime_json(&plain, false, STORED + 5);

    (void)state;
    assert_int_equal(number(o, "stored"), STORED);
    assert_int_equal(number(o, "age_at_store"), 10);
    assert_int_equal(number(o, "since_stored"), 5);
    assert_int_equal(number(o, "age"), 15);
    assert_int_equal(number(o, "lifetime"), 70);
    assert_string_equal(text(o, "lifetime_from"), "s-maxage");
    assert_string_equal(text(o, "state"), "fresh");
    assert_int_equal(number(o, "fresh_until"), STORED + 60);
    assert_null(json_object_get(o, "stale_since"));
    assert_int_equal(number(o, "stale_while_until"), STORED + 80);
    assert_int_equal(number(o, "stale_error_until"), STORED + 360);
    assert_int_equal(number(o, "kept_until"), STORED + 500);
    assert_true(json_is_true(json_object_get(o, "must_revalidate")));
    assert_true(json_is_false(json_object_get(o, "immutable")));
    assert_null(json_object_get(o, "refresh_not_before"));
    json_decref(o);
}

static void test_stale_from_that_second_on(void **state)
{
    json_t *o = api_lifetime_json(&plain, false, STORED + 60);

    (void)state;
    assert_string_equal(text(o, "state"), "stale");
    assert_int_equal(number(o, "stale_since"), STORED + 60);
    assert_null(json_object_get(o, "fresh_until"));
    json_decref(o);
}

static void test_purged_softly(void **state)
{
    json_t *o = api_lifetime_json(&plain, true, STORED + 5);

    (void)state;
    assert_string_equal(text(o, "state"), "purged softly");
    assert_true(json_is_true(json_object_get(o, "purged_softly")));
    assert_null(json_object_get(o, "fresh_until"));
    assert_null(json_object_get(o, "stale_since"));
    json_decref(o);
    o = api_lifetime_json(&plain, true, STORED + 60);
    assert_string_equal(text(o, "state"), "stale");
    assert_int_equal(number(o, "stale_since"), STORED + 60);
    json_decref(o);
}

static void test_other_states(void **state)
{
    struct cache_meta meta = plain;

    (void)state;
    meta.flags = REUSE_VALIDATE | (uint32_t)REUSE_FROM_MASK << REUSE_FROM_SHIFT;
    meta.retry_at = STORED + 30;
    json_t *o = api_lifetime_json(&meta, false, STORED + 5);
    assert_string_equal(text(o, "state"), "validated each time");
    assert_string_equal(text(o, "lifetime_from"), "unknown");
    assert_int_equal(number(o, "refresh_not_before"), STORED + 30);
    json_decref(o);
    o = api_lifetime_json(&meta, false, STORED + 501);
    assert_string_equal(text(o, "state"), "expired");
    json_decref(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fresh),
        cmocka_unit_test(test_stale_from_that_second_on),
        cmocka_unit_test(test_purged_softly),
        cmocka_unit_test(test_other_states),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
