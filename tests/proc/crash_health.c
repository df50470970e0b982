/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Death between two instructions of a change of health. A child takes a target out, takes its
 * trial, fails it, takes it again and brings the target back, traced; it is killed after so and so
 * many instructions, once for each of some hundred numbers over the whole way. After each death and
 * the master's repair the state is one of those on the way, nobody but the living holds the trial,
 * and others can bring the target back. Skipped where ptrace is not allowed.
 */
#include "tests/proc/traced.h"

#include "shm/health.h"
#include <string.h>

enum { VICTIM = 3, SURVIVOR = 5, PATIENCE = 60000, DEATHS = 300 };

static struct zone zone;
static struct health_peer_shm *peer;

static const struct verdict_limits limits = { .failures = { { 2, 2, 2 }, { 2, 2, 2 } },
                                              .retry = 1,
                                              .retry_max = 1 };
static const struct health_seen failure = { .source = VERDICT_PASSIVE,
                                            .event = VERDICT_TCP_FAILURE,
                                            .cause = HEALTH_CAUSE_REFUSED,
                                            .text = "refused" };
static const struct health_seen success = { .source = VERDICT_PASSIVE, .event = VERDICT_SUCCESS };

/* The moment is the number of the step, far enough apart for a trial each time. */
static struct health_now at(int64_t step)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (struct health_now){ &zone, (t.tv_sec + step) * 1000, (t.tv_sec + step) * 1000 };
}

static struct health_now now[3]; /* read ahead of the way: what the clock costs varies */

static void set_clock(void)
{
    for (int i = 0; i < 3; i++)
        now[i] = at(10 * i - 30);
}

static void way(void)
{
    health_state_count(peer, &failure, &limits, &now[0]);
    health_state_count(peer, &failure, &limits, &now[0]);
    if (health_state_try(peer, VICTIM, PATIENCE, &now[1]))
        health_state_conclude(peer, VICTIM, &failure, &limits, &now[1]);
    if (health_state_try(peer, VICTIM, PATIENCE, &now[2]))
        health_state_conclude(peer, VICTIM, &success, &limits, &now[2]);
}

static long seen[3]; /* of each state */

static void is_sound(void)
{
    seen[health_state(peer)]++;
    health_forget(&zone, VICTIM);
    struct health_entry log[HEALTH_LOG];
    uint32_t n = health_log_read(&zone, peer, log);
    struct verdict v = verdict_unpack(peer->verdict);
    struct health_now later = at(2); /* after the repair, whose clock is finer */

    assert_int_not_equal(v.state, HEALTH_TRIAL);
    assert_int_equal(v.holder, VERDICT_NOBODY);
    for (uint32_t i = 0; i < n; i++)
        assert_true(memchr(log[i].text, '\0', sizeof log[i].text) != NULL);
    if (v.state == HEALTH_DOWN) {
        assert_true(health_state_try(peer, SURVIVOR, PATIENCE, &later));
        assert_int_equal(health_state_conclude(peer, SURVIVOR, &success, &limits, &later),
                         HEALTH_WENT_UP);
    }
    assert_int_equal(health_state_set(peer, HEALTH_UP, &later), HEALTH_SAME);
    assert_true(health_spotless(peer));
    set_clock();
}

static void any_instruction(void **state)
{
    static const struct traced traced = { DEATHS, way, is_sound };
    (void)state;
    assert_true(health_make(&zone, 4, 1));
    health_hold(&zone, SURVIVOR);
    peer = health_claim_peer(&zone, 9, "orders/127.0.0.1:1", 1);
    health_release(&zone, SURVIVOR);
    assert_non_null(peer);
    set_clock();
    long whole = traced_deaths(&traced);
    print_message("# %d deaths on a way of %ld instructions: %ld up, %ld down, %ld in a trial\n",
                  DEATHS, whole, seen[HEALTH_UP], seen[HEALTH_DOWN], seen[HEALTH_TRIAL]);
    assert_true(seen[HEALTH_UP] > 0 && seen[HEALTH_DOWN] > 0 && seen[HEALTH_TRIAL] > 0);
    region_drop(&zone);
}

int main(void)
{
    static const struct CMUnitTest tests[] = { cmocka_unit_test(any_instruction) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
