/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who goes where is exact and even; an answer counts in the step of its mark and in no other; what
 * is done about it depends on time, answers and failures, with a slow list of cases.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "worker/base/shift.h"

static void draws_are_exact_and_even(void **state)
{
    (void)state;
    for (uint32_t share = 0; share <= SHIFT_WHOLE; share += share < 20 || share > 980 ? 1 : 49) {
        struct roster_tally tally = { .turn = 123456789 };
        uint32_t taken = 0, gap = 0, longest = 0;
        for (int i = 0; i < SHIFT_WHOLE; i++) {
            bool other = shift_draw(&tally, share);
            taken += other;
            gap = other ? 0 : gap + 1;
            longest = gap > longest ? gap : longest;
        }
        assert_int_equal(taken, share);
        if (share > 0)
            assert_true(longest <= SHIFT_WHOLE / share + 1);
    }
}

static void answers_count_in_their_step(void **state)
{
    struct roster_tally tally = { 0 };
    struct shift_counts counts;
    (void)state;
    shift_begin(&tally, 7);
    shift_count(&tally, 7, false);
    shift_count(&tally, 7, true);
    shift_count(&tally, 6, true); /* of the step before */
    assert_true(shift_read(&tally, 7, &counts));
    assert_int_equal(counts.answered, 2);
    assert_int_equal(counts.failed, 1);
    uint32_t next = shift_mark(&tally);
    assert_int_equal(next, 8);
    assert_false(shift_read(&tally, next, &counts));
    shift_begin(&tally, next);
    shift_count(&tally, 7, true);
    assert_true(shift_read(&tally, next, &counts));
    assert_int_equal(counts.answered, 0);
    assert_int_equal(counts.failed, 0);
}

static void marks_go_round(void **state)
{
    struct roster_tally tally = { 0 };
    struct shift_counts counts;
    (void)state;
    shift_begin(&tally, UINT16_MAX);
    shift_count(&tally, UINT16_MAX, true);
    assert_int_equal(shift_mark(&tally), 0);
    assert_true(shift_read(&tally, UINT16_MAX, &counts));
    assert_int_equal(counts.failed, 1);
}

/* Half of the words are the next step's: who made it died between. */
static void half_begun_step_is_none(void **state)
{
    struct roster_tally tally = { 0 };
    struct shift_counts counts;
    (void)state;
    shift_begin(&tally, 3);
    tally.answered = (uint64_t)4 << 48;
    assert_false(shift_read(&tally, 4, &counts));
    assert_false(shift_read(&tally, 3, &counts));
}

static enum shift_verdict judge(int value, int step, int limit, uint64_t answered, uint64_t failed,
                                int64_t now)
{
    struct override o = {
        .value = value,
        .shift = { .at = 1000, .step = step, .every = 30, .limit = limit, .least = 20 }
    };
    return shift_judge(&o, &(struct shift_counts){ answered, failed }, now);
}

static void judged(void **state)
{
    (void)state;
    assert_int_equal(judge(100, 0, -1, 0, 0, 9999), SHIFT_STAY); /* no steps */
    assert_int_equal(judge(100, 100, -1, 0, 0, 1029), SHIFT_STAY);
    assert_int_equal(judge(100, 100, -1, 0, 0, 1030), SHIFT_STEP);
    assert_int_equal(judge(100, 100, -1, 50, 50, 1029), SHIFT_STAY); /* nobody asked */
    assert_int_equal(judge(1000, 100, -1, 0, 0, 1030), SHIFT_FINISH);
    assert_int_equal(judge(100, 100, 100, 19, 0, 1030), SHIFT_WAIT);
    assert_int_equal(judge(100, 100, 100, 20, 0, 1030), SHIFT_STEP);
    assert_int_equal(judge(1000, 100, 100, 19, 0, 1030), SHIFT_WAIT);
    assert_int_equal(judge(100, 100, 100, 19, 19, 1010), SHIFT_STAY); /* too few to tell */
    assert_int_equal(judge(100, 100, 100, 20, 1, 1010), SHIFT_UNDO);
    assert_int_equal(judge(100, 100, 100, 100, 1, 1010), SHIFT_STAY); /* exactly the limit */
    assert_int_equal(judge(100, 100, 100, 99, 1, 1010), SHIFT_UNDO);
    assert_int_equal(judge(100, 0, 0, 1000, 1, 1010), SHIFT_UNDO);
    assert_int_equal(judge(100, 0, 10000, 1000, 1000, 1010), SHIFT_STAY);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(draws_are_exact_and_even),
                                        cmocka_unit_test(answers_count_in_their_step),
                                        cmocka_unit_test(marks_go_round),
                                        cmocka_unit_test(half_begun_step_is_none),
                                        cmocka_unit_test(judged) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
