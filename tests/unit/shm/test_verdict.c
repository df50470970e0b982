/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of health: every event in every state, the way back, and that a word loses nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "shm/verdict.h"
#include <string.h>

static const struct verdict_limits limits = {
    .failures = { { 3, 2, 4 }, { 2, 3, 1 } },
    .successes = { 2, 0 },
    .probed = true,
    .retry = 100,
    .retry_max = 1000,
};
static const struct verdict_now now = { .tick = 5000, .chance = 0 };

static struct verdict count(struct verdict v, enum verdict_source source, enum verdict_event event,
                            int times)
{
    while (times-- > 0) {
        uint64_t word = verdict_pack(&v);
        v = verdict_unpack(word);
        assert_true(verdict_pack(&v) == word);
        v = verdict_count(v, source, event, &limits, &now);
    }
    return v;
}

static struct verdict up(void)
{
    return verdict_unpack(0);
}

static struct verdict down(void)
{
    return count(up(), VERDICT_PASSIVE, VERDICT_HTTP_FAILURE, 1);
}

static void each_kind_of_failure_has_its_limit(void **state)
{
    (void)state;
    for (int source = 0; source < VERDICT_SOURCES; source++)
        for (int event = 0; event < VERDICT_FAILURES; event++) {
            int limit = limits.failures[source][event];
            struct verdict v =
                count(up(), (enum verdict_source)source, (enum verdict_event)event, limit - 1);
            assert_int_equal(v.state, HEALTH_UP);
            assert_int_equal(v.failures[source][event], limit - 1);
            v = count(v, (enum verdict_source)source, (enum verdict_event)event, 1);
            assert_int_equal(v.state, HEALTH_DOWN);
            assert_false(v.by_hand);
        }
}

static void kinds_and_sources_do_not_add_up(void **state)
{
    struct verdict v = count(up(), VERDICT_ACTIVE, VERDICT_TCP_FAILURE, 2);
    (void)state;
    v = count(v, VERDICT_ACTIVE, VERDICT_TIMEOUT, 1);
    v = count(v, VERDICT_ACTIVE, VERDICT_HTTP_FAILURE, 3);
    v = count(v, VERDICT_PASSIVE, VERDICT_TCP_FAILURE, 1);
    v = count(v, VERDICT_PASSIVE, VERDICT_TIMEOUT, 2);
    assert_int_equal(v.state, HEALTH_UP);
    v = count(v, VERDICT_PASSIVE, VERDICT_SUCCESS, 1); /* sets back its own source alone */
    assert_int_equal(v.failures[VERDICT_PASSIVE][VERDICT_TIMEOUT], 0);
    assert_int_equal(v.failures[VERDICT_ACTIVE][VERDICT_HTTP_FAILURE], 3);
    v = count(v, VERDICT_ACTIVE, VERDICT_SUCCESS, 1);
    assert_true(verdict_pack(&v) == 0);
}

static void neither_changes_nothing(void **state)
{
    struct verdict v = count(up(), VERDICT_ACTIVE, VERDICT_TCP_FAILURE, 2), before = v;
    (void)state;
    v = count(v, VERDICT_ACTIVE, VERDICT_NEITHER, 5);
    assert_memory_equal(&v, &before, sizeof v);
    v = before = count(down(), VERDICT_ACTIVE, VERDICT_SUCCESS, 1);
    v = count(v, VERDICT_ACTIVE, VERDICT_NEITHER, 5);
    assert_true(verdict_pack(&v) == verdict_pack(&before));
}

static void what_is_late_speaks_for_nobody_against_tcp_failures(void **state)
{
    struct verdict v = count(up(), VERDICT_PASSIVE, VERDICT_TCP_FAILURE, 1);
    (void)state;
    v = count(v, VERDICT_PASSIVE, VERDICT_TIMEOUT, 2);
    v = count(v, VERDICT_PASSIVE, VERDICT_LATE, 3);
    assert_int_equal(v.failures[VERDICT_PASSIVE][VERDICT_TCP_FAILURE], 1);
    assert_int_equal(v.failures[VERDICT_PASSIVE][VERDICT_TIMEOUT], 0);
    v = count(v, VERDICT_PASSIVE, VERDICT_TCP_FAILURE, 1);
    assert_int_equal(v.state, HEALTH_DOWN);
    struct verdict out = count(down(), VERDICT_ACTIVE, VERDICT_SUCCESS, 1);
    v = count(out, VERDICT_ACTIVE, VERDICT_LATE, 9); /* neither success nor failure */
    assert_true(verdict_pack(&v) == verdict_pack(&out));
}

static void limit_0_is_never(void **state)
{
    static const struct verdict_limits none;
    struct verdict v = up();
    (void)state;
    for (int i = 0; i < 1000; i++)
        v = verdict_count(v, VERDICT_ACTIVE, (enum verdict_event)(i % 3), &none, &now);
    assert_true(verdict_pack(&v) == 0);
    v = count(down(), VERDICT_PASSIVE, VERDICT_SUCCESS, 300); /* successes 0 */
    assert_int_equal(v.state, HEALTH_DOWN);
}

static void successes_in_a_row_bring_it_back(void **state)
{
    struct verdict v = count(down(), VERDICT_ACTIVE, VERDICT_SUCCESS, 1);
    (void)state;
    v = count(v, VERDICT_ACTIVE, VERDICT_TIMEOUT, 1);
    v = count(v, VERDICT_ACTIVE, VERDICT_SUCCESS, 1);
    assert_int_equal(v.state, HEALTH_DOWN);
    v = count(v, VERDICT_ACTIVE, VERDICT_SUCCESS, 1);
    assert_true(verdict_pack(&v) == 0);
}

static void counters_reach_255(void **state)
{
    static const struct verdict_limits wide = {
        .failures = { { 255, 255, 255 }, { 255, 255, 255 } }, .successes = { 255, 255 }
    };
    struct verdict v = up();
    (void)state;
    for (int i = 0; i < 254; i++)
        v = verdict_count(verdict_unpack(verdict_pack(&v)), VERDICT_PASSIVE, VERDICT_HTTP_FAILURE,
                          &wide, &now);
    assert_int_equal(v.failures[VERDICT_PASSIVE][VERDICT_HTTP_FAILURE], 254);
    assert_int_equal(v.failures[VERDICT_PASSIVE][VERDICT_TIMEOUT], 0);
    v = verdict_count(v, VERDICT_PASSIVE, VERDICT_HTTP_FAILURE, &wide, &now);
    assert_int_equal(v.state, HEALTH_DOWN);
    for (int i = 0; i < 254; i++)
        v = verdict_count(verdict_unpack(verdict_pack(&v)), VERDICT_PASSIVE, VERDICT_SUCCESS, &wide,
                          &now);
    assert_int_equal(v.successes[VERDICT_PASSIVE], 254);
    v = verdict_count(v, VERDICT_PASSIVE, VERDICT_SUCCESS, &wide, &now);
    assert_int_equal(v.state, HEALTH_UP);
}

static void a_trial_decides(void **state)
{
    struct verdict v = down();
    (void)state;
    assert_int_equal(v.due, 5100);
    assert_false(verdict_may_try(&v, 5099));
    assert_true(verdict_may_try(&v, 5100));
    v = verdict_try(v, 7, 50, 5100);
    assert_int_equal(v.state, HEALTH_TRIAL);
    v = verdict_unpack(verdict_pack(&v));
    assert_int_equal(v.holder, 7);
    assert_false(verdict_may_try(&v, 5149));
    assert_true(verdict_may_try(&v, 5150)); /* its holder is given up */
    struct verdict other = verdict_conclude(v, 8, VERDICT_SUCCESS, &limits, &now);
    assert_true(verdict_pack(&other) == verdict_pack(&v));
    struct verdict good = verdict_conclude(v, 7, VERDICT_SUCCESS, &limits, &now);
    assert_true(verdict_pack(&good) == 0);
    good = verdict_conclude(v, 7, VERDICT_NEITHER, &limits, &now);
    assert_true(verdict_pack(&good) == 0);
}

static void failed_trials_wait_twice_as_long(void **state)
{
    static const uint32_t waits[] = { 100, 200, 400, 800, 1000, 1000, 1000 };
    struct verdict v = down();
    (void)state;
    for (size_t i = 0; i < sizeof waits / sizeof *waits; i++) {
        assert_int_equal(v.due, now.tick + waits[i]);
        v = verdict_conclude(verdict_try(v, 3, 9, v.due), 3, VERDICT_TIMEOUT, &limits, &now);
        assert_int_equal(v.state, HEALTH_DOWN);
    }
    for (int i = 0; i < 20; i++)
        v = verdict_conclude(verdict_try(v, 3, 9, v.due), 3, VERDICT_TCP_FAILURE, &limits, &now);
    assert_int_equal(v.tries, VERDICT_TRIES_MAX);
}

static void chance_adds_a_tenth_at_most(void **state)
{
    (void)state;
    for (uint32_t chance = 0; chance < 1000; chance++) {
        struct verdict_now present = { 5000, chance };
        struct verdict v =
            verdict_count(up(), VERDICT_PASSIVE, VERDICT_HTTP_FAILURE, &limits, &present);
        assert_in_range(v.due, 5100, 5110);
    }
}

static void a_status_that_is_not_counted_fails_no_trial(void **state)
{
    static const struct verdict_limits tcp_alone = { .failures = { { 0 }, { 1, 0, 0 } },
                                                     .retry = 10 };
    struct verdict v = verdict_count(up(), VERDICT_PASSIVE, VERDICT_TCP_FAILURE, &tcp_alone, &now);
    (void)state;
    v = verdict_conclude(verdict_try(v, 1, 9, v.due), 1, VERDICT_HTTP_FAILURE, &tcp_alone, &now);
    assert_int_equal(v.state, HEALTH_UP);
}

static void an_abandoned_trial_is_open_at_once(void **state)
{
    struct verdict v = verdict_try(down(), 7, 50, 5100);
    (void)state;
    struct verdict other = verdict_abandon(v, 8, 5101);
    assert_int_equal(other.state, HEALTH_TRIAL);
    v = verdict_abandon(v, 7, 5101);
    assert_int_equal(v.state, HEALTH_DOWN);
    assert_true(verdict_may_try(&v, 5101));
}

static void retry_0_is_never(void **state)
{
    static const struct verdict_limits never = { .failures = { { 0 }, { 1, 0, 0 } } };
    struct verdict v = verdict_count(up(), VERDICT_PASSIVE, VERDICT_TCP_FAILURE, &never, &now);
    (void)state;
    assert_int_equal(v.due, 0);
    assert_false(verdict_may_try(&v, UINT32_MAX / 2));
}

static void ticks_wrap(void **state)
{
    struct verdict_now late = { .tick = UINT32_MAX - 99 };
    struct verdict v = verdict_count(up(), VERDICT_PASSIVE, VERDICT_HTTP_FAILURE, &limits, &late);
    (void)state;
    assert_int_equal(v.due, 1); /* 0 would be never */
    assert_false(verdict_may_try(&v, UINT32_MAX));
    assert_true(verdict_may_try(&v, 1));
}

static void the_hand_resets_everything(void **state)
{
    struct verdict v = verdict_set(HEALTH_DOWN);
    (void)state;
    assert_true(verdict_unpack(verdict_pack(&v)).by_hand);
    assert_false(verdict_may_try(&v, 5000));
    v = count(v, VERDICT_ACTIVE, VERDICT_SUCCESS, 2);
    assert_int_equal(v.state, HEALTH_UP);
    v = verdict_set(HEALTH_UP);
    assert_true(verdict_pack(&v) == 0);
}

static void requests_do_not_overrule_the_hand(void **state)
{
    struct verdict_limits easy = limits;
    struct verdict v = verdict_set(HEALTH_DOWN), gone = verdict_set(HEALTH_DOWN);
    (void)state;
    easy.successes[VERDICT_PASSIVE] = 1;
    v = verdict_count(v, VERDICT_PASSIVE, VERDICT_SUCCESS, &easy, &now);
    assert_int_equal(v.state, HEALTH_DOWN);
    gone.by_hand = false;
    gone = verdict_count(gone, VERDICT_PASSIVE, VERDICT_SUCCESS, &easy, &now);
    assert_int_equal(gone.state, HEALTH_UP);
}

static void settings_that_change(void **state)
{
    static const struct verdict_limits none = { .retry = 100 };
    struct verdict_limits probed = limits;
    struct verdict hand = verdict_set(HEALTH_DOWN), v = verdict_settle(down(), &none, &now);
    (void)state;
    assert_true(verdict_pack(&v) == 0);
    v = verdict_settle(hand, &none, &now);
    assert_true(verdict_pack(&v) == verdict_pack(&hand));
    probed.retry = 0;
    v = verdict_settle(down(), &probed, &now);
    assert_int_equal(v.due, 0);
    v = verdict_settle(v, &limits, &now);
    assert_int_equal(v.due, now.tick + 100);
    v = verdict_settle(up(), &none, &now);
    assert_true(verdict_pack(&v) == 0);
}

static void every_word_is_a_state(void **state)
{
    uint64_t word = 88172645463325252ULL;
    (void)state;
    for (int i = 0; i < 100000; i++) {
        word ^= word << 13, word ^= word >> 7, word ^= word << 17;
        struct verdict v = verdict_unpack(word);
        assert_in_range(v.state, HEALTH_UP, HEALTH_TRIAL);
        struct verdict again = verdict_unpack(verdict_pack(&v));
        assert_memory_equal(&v, &again, sizeof v);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_of_failure_has_its_limit),
        cmocka_unit_test(kinds_and_sources_do_not_add_up),
        cmocka_unit_test(neither_changes_nothing),
        cmocka_unit_test(what_is_late_speaks_for_nobody_against_tcp_failures),
        cmocka_unit_test(limit_0_is_never),
        cmocka_unit_test(successes_in_a_row_bring_it_back),
        cmocka_unit_test(counters_reach_255),
        cmocka_unit_test(a_trial_decides),
        cmocka_unit_test(failed_trials_wait_twice_as_long),
        cmocka_unit_test(chance_adds_a_tenth_at_most),
        cmocka_unit_test(a_status_that_is_not_counted_fails_no_trial),
        cmocka_unit_test(an_abandoned_trial_is_open_at_once),
        cmocka_unit_test(retry_0_is_never),
        cmocka_unit_test(ticks_wrap),
        cmocka_unit_test(the_hand_resets_everything),
        cmocka_unit_test(requests_do_not_overrule_the_hand),
        cmocka_unit_test(settings_that_change),
        cmocka_unit_test(every_word_is_a_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
