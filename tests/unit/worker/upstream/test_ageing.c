/* SPDX-License-Identifier: Apache-2.0 */
/* What closes and Keep-Alive fields tell about a peer, and what they do not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "worker/upstream/ageing.h"

static void three_closes_at_one_age(void **state)
{
    struct peer_ageing a = { 0 };
    (void)state;
    assert_true(ageing_limit(&a, 0) == INT64_MAX);
    ageing_closed(&a, 5003, 10000);
    ageing_closed(&a, 5010, 12000);
    assert_true(ageing_limit(&a, 12000) == INT64_MAX);
    ageing_closed(&a, 5001, 14000);
    assert_int_equal(ageing_limit(&a, 14000), 5001 - 500);
    ageing_closed(&a, 300, 15000); /* a restart meanwhile */
    assert_int_equal(ageing_limit(&a, 15000), 5001 - 500);
    assert_int_equal(ageing_limit(&a, 14000 + 600000), 5001 - 500);
    assert_true(ageing_limit(&a, 14000 + 600001) == INT64_MAX); /* it may keep them longer now */
    ageing_closed(&a, 60000, 700000);
    assert_int_equal(a.closes, 1);
}

static void a_restart_teaches_nothing(void **state)
{
    struct peer_ageing a = { 0 };
    (void)state;
    for (int64_t age = 200; age < 60000; age += 10) /* all at one moment */
        ageing_closed(&a, age, 100000);
    for (int64_t i = 1; i < 20; i++) /* or of all ages, one by one */
        ageing_closed(&a, 200 * i * i, 200000 + 1000 * i);
    for (int64_t i = 0; i < 20; i++) /* or right after the answer */
        ageing_closed(&a, i, 300000 + 1000 * i);
    assert_true(ageing_limit(&a, 320000) == INT64_MAX);
}

#define SAID(text) ageing_said(&a, SLICE(text))
static void keep_alive_fields(void **state)
{
    struct peer_ageing a = { 0 };
    (void)state;
    SAID("timeout=5, max=100");
    assert_int_equal(ageing_limit(&a, 0), 4500);
    SAID("max=100, Timeout = 60");
    assert_int_equal(ageing_limit(&a, 0), 59000);
    SAID("max=99");
    assert_true(ageing_limit(&a, 0) == INT64_MAX);
    SAID("timeout=99999999999999999999999999999999");
    assert_true(ageing_limit(&a, 0) == INT64_MAX);
    SAID("timeout=");
    assert_true(ageing_limit(&a, 0) == INT64_MAX);
    SAID("timeout=x, =, timeout");
    assert_true(ageing_limit(&a, 0) == INT64_MAX);
    SAID("timeout=0");
    assert_true(ageing_limit(&a, 0) == INT64_MAX);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_closes_at_one_age),
        cmocka_unit_test(a_restart_teaches_nothing),
        cmocka_unit_test(keep_alive_fields),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
