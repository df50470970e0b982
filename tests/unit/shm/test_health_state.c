/* SPDX-License-Identifier: Apache-2.0 */
/* Changes of a row in shared memory: one of many processes makes each, trials are exclusive and
 * outlive their holders. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "shm/health.h"
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static struct zone zone;
static struct health_peer_shm *peer;
static struct health_now now;
static const struct verdict_limits limits = { .failures = { { 3, 3, 3 }, { 3, 3, 3 } },
                                              .retry = 100,
                                              .retry_max = 1000 };
static const struct health_seen refused = { .source = VERDICT_PASSIVE,
                                            .event = VERDICT_TCP_FAILURE,
                                            .cause = HEALTH_CAUSE_REFUSED };
static const struct health_seen fine = { .source = VERDICT_PASSIVE, .event = VERDICT_SUCCESS };

static int setup(void **state)
{
    (void)state;
    if (!health_make(&zone, 10, 4))
        return -1;
    peer = health_claim_peer(&zone, 77, "orders/127.0.0.1:9001", 1);
    now = (struct health_now){ &zone, 160000, 1700000000000 };
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    region_drop(&zone);
    return 0;
}

static void take_out(void)
{
    assert_int_equal(health_state_count(peer, &refused, &limits, &now), HEALTH_SAME);
    assert_int_equal(health_state_count(peer, &refused, &limits, &now), HEALTH_SAME);
    assert_int_equal(health_state_count(peer, &refused, &limits, &now), HEALTH_WENT_DOWN);
}

static void a_change_is_told_once(void **state)
{
    uint64_t before = health_state_changes(&zone);
    (void)state;
    assert_true(health_spotless(peer));
    take_out();
    assert_int_equal(health_state(peer), HEALTH_DOWN);
    assert_int_equal(peer->since, now.real_ms);
    assert_int_equal(peer->cause, HEALTH_CAUSE_REFUSED);
    assert_int_equal(peer->changes, 1);
    assert_int_equal(health_state_changes(&zone), before + 1);
    assert_int_equal(health_state_count(peer, &refused, &limits, &now), HEALTH_SAME);
    assert_int_equal(health_state_changes(&zone), before + 1);
}

static void a_trial_belongs_to_one(void **state)
{
    (void)state;
    take_out();
    assert_false(health_state_try(peer, 1, 60000, &now));
    assert_false(health_state_may_try(peer, now.ms));
    now.ms += 100 * VERDICT_TICK_MS * 2;
    assert_true(health_state_may_try(peer, now.ms));
    assert_true(health_state_try(peer, 1, 60000, &now));
    assert_int_equal(health_state(peer), HEALTH_TRIAL);
    assert_string_equal(health_state_name(health_state(peer)), "trial");
    assert_false(health_state_try(peer, 2, 60000, &now));
    assert_int_equal(health_state_conclude(peer, 2, &fine, &limits, &now), HEALTH_SAME);
    assert_int_equal(health_state_conclude(peer, 1, &fine, &limits, &now), HEALTH_WENT_UP);
    assert_true(health_spotless(peer));
}

static void a_failed_trial_is_logged_and_keeps_the_time(void **state)
{
    struct health_entry log[HEALTH_LOG];
    (void)state;
    take_out();
    now.ms += 100 * VERDICT_TICK_MS * 2;
    now.real_ms += 5000;
    assert_true(health_state_try(peer, 1, 60000, &now));
    assert_int_equal(health_state_conclude(peer, 1, &refused, &limits, &now), HEALTH_SAME);
    assert_int_equal(peer->since, now.real_ms - 5000);
    assert_int_equal(health_log_read(&zone, peer, log), 3);
    assert_int_equal(log[1].state, HEALTH_TRIAL);
    assert_int_equal(log[2].state, HEALTH_DOWN);
    assert_int_equal(log[2].cause, HEALTH_CAUSE_REFUSED);
}

static void the_dead_hold_no_trial(void **state)
{
    struct timespec clock;
    (void)state;
    clock_gettime(CLOCK_MONOTONIC, &clock);
    now.ms = (int64_t)clock.tv_sec * 1000 - 10000;
    take_out();
    now.ms += 100 * VERDICT_TICK_MS * 2;
    assert_true(health_state_try(peer, 9, 600000, &now));
    health_forget(&zone, 8);
    assert_int_equal(health_state(peer), HEALTH_TRIAL);
    health_forget(&zone, 9);
    assert_int_equal(health_state(peer), HEALTH_DOWN);
    now.ms += 20000;
    assert_true(health_state_try(peer, 3, 600000, &now));
}

static void a_larger_zone_takes_trials_over(void **state)
{
    struct zone large;
    struct timespec clock;
    (void)state;
    clock_gettime(CLOCK_MONOTONIC, &clock);
    now.ms = (int64_t)clock.tv_sec * 1000 - 10000;
    take_out();
    now.ms += 100 * VERDICT_TICK_MS * 2;
    assert_true(health_state_try(peer, 9, 600000, &now));
    assert_true(health_make(&large, 5000, 4));
    health_copy(&large, &zone);
    struct health_peer_shm *copy = health_peer(&large, 77);
    assert_int_equal(health_state(copy), HEALTH_TRIAL);
    health_forget(&large, 9);
    assert_int_equal(health_state(copy), HEALTH_DOWN);
    region_drop(&large);
}

static void a_trial_without_end_passes_on(void **state)
{
    (void)state;
    take_out();
    now.ms += 100 * VERDICT_TICK_MS * 2;
    assert_true(health_state_try(peer, 1, 1000, &now));
    now.ms += 2000;
    assert_true(health_state_try(peer, 2, 1000, &now));
    assert_int_equal(health_state_conclude(peer, 1, &fine, &limits, &now), HEALTH_SAME);
    health_state_abandon(peer, 2, &now);
    assert_true(health_state_try(peer, 3, 1000, &now));
}

static void by_hand_and_by_settings(void **state)
{
    static const struct verdict_limits none;
    (void)state;
    assert_int_equal(health_state_set(peer, HEALTH_DOWN, &now), HEALTH_WENT_DOWN);
    assert_int_equal(peer->cause, HEALTH_CAUSE_HAND);
    assert_int_equal(health_state_settle(peer, &none, &now), HEALTH_SAME);
    assert_int_equal(health_state_set(peer, HEALTH_UP, &now), HEALTH_WENT_UP);
    take_out();
    assert_int_equal(health_state_settle(peer, &none, &now), HEALTH_WENT_UP);
    assert_int_equal(peer->cause, HEALTH_CAUSE_SETTINGS);
}

static void who_was_away_is_new(void **state)
{
    (void)state;
    take_out(); /* before a checker came */
    assert_int_equal(health_state_attend(peer, 7, &now), HEALTH_SAME);
    assert_int_equal(health_state_attend(peer, 7, &now), HEALTH_SAME); /* another checker */
    assert_int_equal(health_state_attend(peer, 8, &now), HEALTH_SAME); /* a reload */
    assert_int_equal(health_state(peer), HEALTH_DOWN);
    assert_int_equal(health_state_attend(peer, 10, &now), HEALTH_WENT_UP); /* not in 9 */
    assert_int_equal(peer->cause, HEALTH_CAUSE_NEW);
    take_out();
    health_state_leave(peer);
    assert_int_equal(health_state(peer), HEALTH_DOWN);
    assert_int_equal(health_state_attend(peer, 10, &now), HEALTH_WENT_UP);
}

static void asking_is_seen(void **state)
{
    uint32_t before = health_state_asks(&zone);
    (void)state;
    health_state_ask(&zone, peer);
    assert_int_equal(health_state_asks(&zone), before + 1);
    assert_int_equal(peer->asked, 1);
    assert_int_equal(peer->answered, 0);
}

/* Four processes count failures and fight for trials: each change has one author. */
static void processes_agree(void **state)
{
    struct tally {
        _Atomic uint32_t down, up, tries, wrong;
    } *tally = mmap(NULL, sizeof *tally, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    (void)state;
    assert_ptr_not_equal(tally, MAP_FAILED);
    for (uint32_t slot = 0; slot < 4; slot++) {
        if (fork() != 0)
            continue;
        for (int i = 0; i < 20000; i++) {
            enum health_change change = health_state_count(peer, &refused, &limits, &now);
            tally->down += change == HEALTH_WENT_DOWN;
            tally->wrong += change == HEALTH_WENT_UP;
            now.ms += 16;
            if (!health_state_try(peer, slot, 1000000000, &now))
                continue;
            tally->tries++;
            change = health_state_conclude(peer, slot, i % 3 ? &fine : &refused, &limits, &now);
            tally->up += change == HEALTH_WENT_UP;
            tally->wrong += (i % 3 != 0) != (change == HEALTH_WENT_UP);
        }
        _exit(0);
    }
    for (int i = 0; i < 4; i++)
        wait(NULL);
    assert_int_equal(tally->wrong, 0);
    assert_true(tally->down > 10 && tally->tries >= tally->up);
    assert_int_equal(tally->down - tally->up, health_state(peer) == HEALTH_UP ? 0 : 1);
    assert_int_equal(peer->changes, tally->down + tally->up);
    munmap(tally, sizeof *tally);
}

static int failures_now(enum verdict_event event)
{
    struct verdict v = verdict_unpack(peer->verdict);
    assert_int_equal(v.state, HEALTH_UP);
    return v.failures[VERDICT_PASSIVE][event];
}

static enum health_change see(enum verdict_event event, int64_t since, int64_t until)
{
    const struct health_seen seen = {
        .source = VERDICT_PASSIVE, .event = event, .since = since, .until = until
    };
    return health_state_count(peer, &seen, &limits, &now);
}

static void an_answer_from_before_says_nothing(void **state)
{
    (void)state;
    see(VERDICT_TCP_FAILURE, 500, 1000);
    see(VERDICT_TIMEOUT, 500, 1000);
    see(VERDICT_SUCCESS, 1000, 0); /* it may be as old as the failure */
    assert_int_equal(failures_now(VERDICT_TCP_FAILURE), 1);
    assert_int_equal(failures_now(VERDICT_TIMEOUT), 0); /* not against others */
    see(VERDICT_TCP_FAILURE, 400, 900);                 /* told late: `failed` does not go back */
    see(VERDICT_SUCCESS, 950, 0);
    assert_int_equal(failures_now(VERDICT_TCP_FAILURE), 2);
    see(VERDICT_SUCCESS, 1001, 0);
    assert_true(health_spotless(peer));
}

static void an_answer_from_before_brings_nobody_back(void **state)
{
    struct verdict_limits two = limits;
    const struct health_seen old = { .source = VERDICT_PASSIVE,
                                     .event = VERDICT_SUCCESS,
                                     .since = 1000 };
    struct health_seen young = old;
    (void)state;
    two.successes[VERDICT_PASSIVE] = 2;
    for (int i = 0; i < 3; i++)
        see(VERDICT_TCP_FAILURE, 500, 1000);
    for (int i = 0; i < 5; i++)
        assert_int_equal(health_state_count(peer, &old, &two, &now), HEALTH_SAME);
    assert_int_equal(health_state(peer), HEALTH_DOWN);
    young.since = 1001;
    assert_int_equal(health_state_count(peer, &young, &two, &now), HEALTH_SAME);
    assert_int_equal(health_state_count(peer, &young, &two, &now), HEALTH_WENT_UP);
}

static void a_try_from_before_it_came_back_fails_in_vain(void **state)
{
    (void)state;
    take_out();
    now.ms += 100 * VERDICT_TICK_MS * 2;
    assert_true(health_state_try(peer, 1, 60000, &now));
    assert_int_equal(health_state_conclude(peer, 1, &fine, &limits, &now), HEALTH_WENT_UP);
    for (int i = 0; i < 3; i++) {
        see(VERDICT_TIMEOUT, now.ms * 1000, now.ms * 1000 + 5);
        see(VERDICT_TCP_FAILURE, now.ms * 1000 - 7, now.ms * 1000 + 5);
        see(VERDICT_HTTP_FAILURE, now.ms * 1000 - 7, 0);
    }
    assert_true(health_spotless(peer));
    see(VERDICT_TCP_FAILURE, now.ms * 1000 + 1, now.ms * 1000 + 9);
    assert_int_equal(failures_now(VERDICT_TCP_FAILURE), 1);
}

/* The count, slowly: of all failures so far those that no success was told after which is younger
 * than each failure told before it. */
enum { HISTORY = 120 };
struct history {
    struct {
        bool success;
        int64_t at;
    } told[HISTORY];
    int n;
};

static bool speaks(const struct history *h, int success)
{
    for (int i = 0; i < success; i++)
        if (!h->told[i].success && h->told[i].at >= h->told[success].at)
            return false;
    return true;
}

static int failures_left(const struct history *h)
{
    int left = 0;
    for (int i = 0; i < h->n; i++) {
        bool gone = h->told[i].success;
        for (int k = i + 1; k < h->n; k++)
            gone = gone || (h->told[k].success && speaks(h, k));
        left += !gone;
    }
    return left;
}

static void the_count_is_that_of_a_slow_model(void **state)
{
    static const struct verdict_limits far = { .failures = { { 0 }, { 255, 255, 255 } } };
    struct history h;
    uint64_t random = 88172645463325252ULL;
    int most = 0, least_again = 0;
    (void)state;
    for (int run = 0; run < 300; run++) {
        *peer = (struct health_peer_shm){ .identity = 77 };
        for (h.n = 0; h.n < HISTORY;) {
            random ^= random << 13, random ^= random >> 7, random ^= random << 17;
            int64_t at = 1000 + h.n - (int64_t)(random >> 20) % (1 + run % 20); /* told late */
            bool success = (random >> 40) % 4 == 0;
            struct health_seen seen = { .source = VERDICT_PASSIVE,
                                        .event = success ? VERDICT_SUCCESS : VERDICT_TCP_FAILURE,
                                        .since = at,
                                        .until = at };
            h.told[h.n].success = success;
            h.told[h.n++].at = at;
            int before = failures_now(VERDICT_TCP_FAILURE);
            assert_int_equal(health_state_count(peer, &seen, &far, &now), HEALTH_SAME);
            assert_int_equal(failures_now(VERDICT_TCP_FAILURE), failures_left(&h));
            most = failures_left(&h) > most ? failures_left(&h) : most;
            least_again += before > 0 && failures_left(&h) == 0;
        }
    }
    assert_true(most > 20 && least_again > 100);
}

/* Two processes fail, two tell of old answers, all at once: no failure is lost. */
static void processes_lose_no_failure(void **state)
{
    static const struct verdict_limits far = { .failures = { { 0 }, { 255, 255, 255 } } };
    (void)state;
    for (int process = 0; process < 4; process++) {
        struct health_seen seen = { .source = VERDICT_PASSIVE, .since = 1000, .until = 1000 };
        if (fork() != 0)
            continue;
        seen.event = process < 2 ? VERDICT_TCP_FAILURE : VERDICT_SUCCESS;
        for (int i = 0; i < (process < 2 ? 100 : 20000); i++) {
            health_state_count(peer, &seen, &far, &now);
            for (int pause = 0; process < 2 && pause < 20000; pause++)
                atomic_thread_fence(memory_order_seq_cst);
        }
        _exit(0);
    }
    for (int i = 0; i < 4; i++)
        wait(NULL);
    assert_int_equal(failures_now(VERDICT_TCP_FAILURE), 200);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_change_is_told_once, setup, teardown),
        cmocka_unit_test_setup_teardown(a_trial_belongs_to_one, setup, teardown),
        cmocka_unit_test_setup_teardown(a_failed_trial_is_logged_and_keeps_the_time, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(the_dead_hold_no_trial, setup, teardown),
        cmocka_unit_test_setup_teardown(a_larger_zone_takes_trials_over, setup, teardown),
        cmocka_unit_test_setup_teardown(a_trial_without_end_passes_on, setup, teardown),
        cmocka_unit_test_setup_teardown(by_hand_and_by_settings, setup, teardown),
        cmocka_unit_test_setup_teardown(who_was_away_is_new, setup, teardown),
        cmocka_unit_test_setup_teardown(asking_is_seen, setup, teardown),
        cmocka_unit_test_setup_teardown(processes_agree, setup, teardown),
        cmocka_unit_test_setup_teardown(an_answer_from_before_says_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(an_answer_from_before_brings_nobody_back, setup, teardown),
        cmocka_unit_test_setup_teardown(a_try_from_before_it_came_back_fails_in_vain, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(the_count_is_that_of_a_slow_model, setup, teardown),
        cmocka_unit_test_setup_teardown(processes_lose_no_failure, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
