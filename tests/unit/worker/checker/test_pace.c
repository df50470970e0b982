/* SPDX-License-Identifier: Apache-2.0 */
/* When targets are probed: spread at the begin, in rhythm over a restart, no burst after a pause.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "worker/checker/pace.h"
#include <string.h>

enum { TARGETS = 10000, INTERVAL = 10000, NOW = 100000000 };

/* The most that are due within one of a hundred parts of an interval from NOW on. */
static unsigned fullest(int64_t (*due)(uint64_t identity))
{
    unsigned parts[100] = { 0 }, most = 0;

    for (uint64_t i = 1; i <= TARGETS; i++) {
        int64_t at = due(i) - NOW;
        assert_in_range(at, 0, INTERVAL - 1);
        unsigned *part = &parts[at / (INTERVAL / 100)];
        if (++*part > most)
            most = *part;
    }
    return most;
}

static int64_t never_probed(uint64_t identity)
{
    return pace_first(identity, INTERVAL, 0, NOW);
}

/* Their turns are spread evenly, and for the last second nobody probed. */
static int64_t after_a_second(uint64_t identity)
{
    return pace_first(identity, INTERVAL, NOW - 1000 - (int64_t)(identity % INTERVAL), NOW);
}

static int64_t after_a_day(uint64_t identity)
{
    return pace_first(identity, INTERVAL, NOW - 86400000 - (int64_t)(identity % 7), NOW);
}

static void nothing_comes_in_a_burst(void **state)
{
    (void)state;
    assert_in_range(fullest(never_probed), 100, 150);
    assert_in_range(fullest(after_a_second), 100, 220);
    assert_in_range(fullest(after_a_day), 100, 150);
}

static void the_rhythm_goes_on(void **state)
{
    (void)state;
    assert_int_equal(pace_first(5, INTERVAL, NOW - 4000, NOW), NOW + 6000);
    assert_int_equal(pace_first(5, INTERVAL, NOW, NOW), NOW + INTERVAL);
    assert_int_equal(pace_next(INTERVAL, NOW - 100, NOW), NOW - 100 + INTERVAL);
    assert_int_equal(pace_next(INTERVAL, NOW - 3 * INTERVAL, NOW), NOW);
}

static void who_is_late_does_not_wait_long(void **state)
{
    (void)state;
    for (uint64_t i = 1; i < 1000; i++)
        assert_in_range(pace_first(i, INTERVAL, NOW - INTERVAL - 300, NOW), NOW,
                        NOW + 300 + INTERVAL / 10);
}

static void who_stood_still_is_late(void **state)
{
    (void)state;
    assert_false(pace_is_late(INTERVAL, NOW - INTERVAL / 10, NOW));
    assert_true(pace_is_late(INTERVAL, NOW - INTERVAL / 10 - 1, NOW));
    assert_false(pace_is_late(50, NOW - 100, NOW));
    assert_true(pace_is_late(50, NOW - 101, NOW));
    assert_false(pace_is_late(INTERVAL, NOW + 1, NOW));
}

static void a_time_that_lies_ahead_is_none(void **state)
{
    (void)state;
    for (uint64_t i = 1; i < 1000; i++)
        assert_in_range(pace_first(i, INTERVAL, NOW + 5, NOW), NOW, NOW + INTERVAL - 1);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_comes_in_a_burst),       cmocka_unit_test(the_rhythm_goes_on),
        cmocka_unit_test(who_is_late_does_not_wait_long), cmocka_unit_test(who_stood_still_is_late),
        cmocka_unit_test(a_time_that_lies_ahead_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
