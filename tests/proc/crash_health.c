/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Death between two instructions of a change of health. A child takes a target out, takes its
 * trial, fails it, takes it again and brings the target back, traced; it is killed after so and so
 * many instructions, once for each of some hundred numbers over the whole way. After each death and
 * the master's repair the state is one of those on the way, nobody but the living holds the trial,
 * and others can bring the target back. Skipped where ptrace is not allowed.
 */
#include "tests/proc/children.h"

#include "shm/health.h"
#include <string.h>
#include <sys/ptrace.h>

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

static void way(const struct health_now *now)
{
    health_state_count(peer, &failure, &limits, &now[0]);
    health_state_count(peer, &failure, &limits, &now[0]);
    if (health_state_try(peer, VICTIM, PATIENCE, &now[1]))
        health_state_conclude(peer, VICTIM, &failure, &limits, &now[1]);
    if (health_state_try(peer, VICTIM, PATIENCE, &now[2]))
        health_state_conclude(peer, VICTIM, &success, &limits, &now[2]);
}

/* False: the child came to its end after fewer instructions. -1 in *steps: no ptrace here. */
static bool die_after(long *steps)
{
    struct health_now now[3] = { at(-30), at(-20), at(-10) };
    int status;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
            _exit(77);
        raise(SIGSTOP);
        way(now);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
        *steps = -1;
        return true;
    }
    for (long i = 0; i < *steps; i++) {
        assert_int_equal(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (WIFEXITED(status)) {
            *steps = i;
            return false;
        }
    }
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return true;
}

static void is_sound(void)
{
    struct health_entry log[HEALTH_LOG];
    uint32_t n = health_log_read(&zone, peer, log);
    struct verdict v = verdict_unpack(peer->verdict);
    struct health_now now = at(2); /* after the repair, whose clock is finer */

    assert_int_not_equal(v.state, HEALTH_TRIAL);
    assert_int_equal(v.holder, VERDICT_NOBODY);
    for (uint32_t i = 0; i < n; i++)
        assert_true(memchr(log[i].text, '\0', sizeof log[i].text) != NULL);
    if (v.state == HEALTH_DOWN) {
        assert_true(health_state_try(peer, SURVIVOR, PATIENCE, &now));
        assert_int_equal(health_state_conclude(peer, SURVIVOR, &success, &limits, &now),
                         HEALTH_WENT_UP);
    }
    assert_int_equal(health_state_set(peer, HEALTH_UP, &now), HEALTH_SAME);
    assert_true(health_spotless(peer));
}

static void any_instruction(void **state)
{
    long whole = 10000000, ended = 0, seen[3] = { 0 };
    (void)state;
    assert_true(health_make(&zone, 4, 1));
    health_hold(&zone, SURVIVOR);
    peer = health_claim_peer(&zone, 9, "orders/127.0.0.1:1", 1);
    health_release(&zone, SURVIVOR);
    assert_non_null(peer);
    if (die_after(&whole) && whole < 0) {
        print_message("# no ptrace here\n");
        skip();
    }
    is_sound(); /* it came to its end, and learned how long the way is */
    for (long i = 0; i < DEATHS; i++) {
        long steps = whole * i / DEATHS;
        ended += !die_after(&steps); /* its length varies a little: locks, clocks, sanitizers */
        seen[health_state(peer)]++;
        health_forget(&zone, VICTIM);
        is_sound();
    }
    print_message("# %d deaths on a way of %ld instructions: %ld up, %ld down, %ld in a trial\n",
                  DEATHS, whole, seen[HEALTH_UP], seen[HEALTH_DOWN], seen[HEALTH_TRIAL]);
    assert_true(ended < DEATHS / 2);
    assert_true(seen[HEALTH_UP] > 0 && seen[HEALTH_DOWN] > 0 && seen[HEALTH_TRIAL] > 0);
    region_drop(&zone);
}

int main(void)
{
    static const struct CMUnitTest tests[] = { cmocka_unit_test(any_instruction) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
