/* SPDX-License-Identifier: Apache-2.0 */
/* The threshold, panic and the bound on ejection, over sets of peers in every state. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "worker/base/fitness.h"

enum { PEERS = 5 };

struct site {
    struct conf_upstream upstream;
    struct peer peers[PEERS];
    struct peer *order[PEERS];
    struct peer_set set;
    struct zone zone;
    struct fitness fitness;
};

static int setup(void **state)
{
    static struct site s;

    s = (struct site){ .upstream = { .healthchecks = { .max_ejection_percent = 100 } } };
    if (!health_make(&s.zone, PEERS, 1))
        return -1;
    s.set = (struct peer_set){ .upstream = &s.upstream, .version = 1, .n = PEERS, .v = s.order };
    for (uint32_t i = 0; i < PEERS; i++) {
        s.order[i] = &s.peers[i];
        s.peers[i] = (struct peer){ .identity = i + 1, .at = i, .weight = 100 };
        s.peers[i].row = health_claim_peer(&s.zone, i + 1, "p", 1);
    }
    *state = &s;
    return 0;
}

static int teardown(void **state)
{
    struct site *s = *state;
    region_drop(&s->zone);
    return 0;
}

static void fell(struct site *s, size_t peer, int64_t when)
{
    static const struct verdict_limits once = { .failures = { { 1, 1, 1 }, { 1, 1, 1 } },
                                                .retry = 10,
                                                .retry_max = 100 };
    static const struct health_seen seen = { .event = VERDICT_TIMEOUT };
    struct health_now now = { &s->zone, when, when };
    assert_int_equal(health_state_count(s->peers[peer].row, &seen, &once, &now), HEALTH_WENT_DOWN);
}

static void by_hand(struct site *s, size_t peer, enum health_state to)
{
    struct health_now now = { &s->zone, 5, 5 };
    health_state_set(s->peers[peer].row, to, &now);
}

/* "01234": the positions of those that may be used, "!" behind them when the upstream is closed. */
static const char *usable(struct site *s)
{
    static char text[PEERS + 2];
    size_t n = 0;
    fitness_refresh(&s->fitness, &s->set, &s->zone);
    for (size_t i = 0; i < PEERS; i++)
        if (fitness_may_use(&s->peers[i], 0))
            text[n++] = (char)('0' + i);
    if (s->fitness.closed)
        text[n++] = '!';
    text[n] = '\0';
    return text;
}

static void who_is_up_may_be_used(void **state)
{
    struct site *s = *state;
    assert_string_equal(usable(s), "01234");
    fell(s, 1, 100);
    by_hand(s, 3, HEALTH_DOWN);
    assert_string_equal(usable(s), "024");
    assert_int_equal(s->fitness.total, 500);
    assert_int_equal(s->fitness.available, 300);
    assert_false(s->fitness.unhealthy);
    by_hand(s, 1, HEALTH_UP);
    assert_string_equal(usable(s), "0124");
}

static void a_peer_without_a_row_is_up(void **state)
{
    struct site *s = *state;
    s->peers[2].row = NULL;
    assert_string_equal(usable(s), "01234");
}

static void below_the_threshold_it_is_closed(void **state)
{
    struct site *s = *state;
    s->upstream.healthchecks.threshold = 60;
    fell(s, 0, 1);
    fell(s, 1, 2);
    assert_string_equal(usable(s), "234"); /* exactly 60 % */
    fell(s, 2, 3);
    assert_string_equal(usable(s), "34!");
    by_hand(s, 0, HEALTH_UP);
    assert_string_equal(usable(s), "034");
}

static void backups_do_not_count_beside_others(void **state)
{
    struct site *s = *state;
    s->upstream.healthchecks.threshold = 60;
    s->peers[3].tier = s->peers[4].tier = PEERS_BACKUP;
    assert_string_equal(usable(s), "01234");
    fell(s, 0, 1);
    assert_string_equal(usable(s), "1234"); /* 66 % of three */
    fell(s, 1, 2);
    assert_string_equal(usable(s), "234!"); /* 33 %; with the backups it would be 60 */
    fell(s, 2, 3);
    assert_string_equal(usable(s), "34"); /* now they serve */
    fell(s, 3, 4);
    assert_string_equal(usable(s), "4!");
    by_hand(s, 0, HEALTH_UP);
    by_hand(s, 1, HEALTH_UP);
    fell(s, 4, 5);
    assert_string_equal(usable(s), "01"); /* two of three, whatever the backups are */
}

static void with_nobody_left_it_is_closed(void **state)
{
    struct site *s = *state;
    for (size_t i = 0; i < PEERS; i++)
        fell(s, i, 1);
    assert_string_equal(usable(s), "!");
}

static void panic_uses_all_but_those_out_by_hand(void **state)
{
    struct site *s = *state;
    s->upstream.healthchecks.threshold = 55;
    s->upstream.healthchecks.on_unhealthy = CONF_UNHEALTHY_PANIC;
    fell(s, 0, 1);
    by_hand(s, 1, HEALTH_DOWN);
    assert_string_equal(usable(s), "234");
    fell(s, 2, 3);
    assert_string_equal(usable(s), "0234");
    assert_true(s->fitness.unhealthy);
    by_hand(s, 1, HEALTH_UP);
    assert_string_equal(usable(s), "134");
}

static void the_first_that_fell_stay_out(void **state)
{
    struct site *s = *state;
    s->upstream.healthchecks.max_ejection_percent = 40;
    fell(s, 4, 10);
    fell(s, 0, 30);
    fell(s, 2, 20);
    assert_string_equal(usable(s), "013");
    assert_int_equal(s->fitness.available, 300);
    by_hand(s, 4, HEALTH_UP);
    assert_string_equal(usable(s), "134");
    s->peers[0].weight = 500; /* heavier than the bound: it cannot be out */
    s->set.version = 2;
    assert_string_equal(usable(s), "0134");
    s->upstream.healthchecks.max_ejection_percent = 0;
    s->set.version = 3;
    assert_string_equal(usable(s), "01234");
}

/* Half of 200 may be out: not the heavy one that fell first, but both of those that fell later. */
static void one_that_is_too_heavy_spares_no_other(void **state)
{
    static const int weights[PEERS] = { 110, 50, 20, 10, 10 };
    struct site *s = *state;
    s->upstream.healthchecks.max_ejection_percent = 50;
    for (size_t i = 0; i < PEERS; i++)
        s->peers[i].weight = weights[i];
    fell(s, 0, 10);
    fell(s, 1, 20);
    fell(s, 2, 30);
    assert_string_equal(usable(s), "034");
    assert_int_equal(s->fitness.available, 130);
}

static void a_trial_is_for_those_who_ask_for_it(void **state)
{
    struct site *s = *state;
    fell(s, 0, 16000);
    assert_false(fitness_may_use(&s->peers[0], 16000));
    assert_true(fitness_may_use(&s->peers[0], 17000));
    assert_false(fitness_may_use(&s->peers[0], 0));
    assert_false(fitness_may_use(&s->peers[0], 16000));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(who_is_up_may_be_used, setup, teardown),
        cmocka_unit_test_setup_teardown(a_peer_without_a_row_is_up, setup, teardown),
        cmocka_unit_test_setup_teardown(below_the_threshold_it_is_closed, setup, teardown),
        cmocka_unit_test_setup_teardown(backups_do_not_count_beside_others, setup, teardown),
        cmocka_unit_test_setup_teardown(with_nobody_left_it_is_closed, setup, teardown),
        cmocka_unit_test_setup_teardown(panic_uses_all_but_those_out_by_hand, setup, teardown),
        cmocka_unit_test_setup_teardown(the_first_that_fell_stay_out, setup, teardown),
        cmocka_unit_test_setup_teardown(one_that_is_too_heavy_spares_no_other, setup, teardown),
        cmocka_unit_test_setup_teardown(a_trial_is_for_those_who_ask_for_it, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
