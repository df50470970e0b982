/* SPDX-License-Identifier: Apache-2.0 */
/* The latency algorithm: its average beside one in floating point, its choices, its shares. */
#include "balance_fixture.h"
#include "worker/balance/latency.h"
#include <math.h>

/* Halved in a straight line, where the twin bends: at most 6.2 % apart. */
static void forgets_like_the_twin(void **state)
{
    uint64_t word = latency_learn(0, 800000, 1000);
    (void)state;
    assert_int_equal(latency_of(word, 1000), 800000);
    for (int64_t age = 0; age < 40000; age += 77) {
        double exact = 800000 * exp2((double)-age / LATENCY_HALF),
               got = latency_of(word, 1000 + age);
        assert_true(got >= exact - 1 && got <= exact * 1.062);
    }
    assert_int_equal(latency_of(word, 1000 + 40 * (int64_t)LATENCY_HALF), 0);
    assert_int_equal(latency_of(word, 999), 800000); /* stored by one whose clock is ahead */
}

static void peaks_count_at_once_and_the_fast_slowly(void **state)
{
    uint64_t word = latency_learn(0, 1000, 0);
    (void)state;
    word = latency_learn(word, 90000, 10);
    assert_int_equal(latency_of(word, 10), 90000);
    word = latency_learn(word, 1000, 11);
    assert_in_range(latency_of(word, 11), 85000, 90000);
    for (int i = 0; i < 1000; i++)
        word = latency_learn(word, 1000, 12);
    assert_in_range(latency_of(word, 12), 1000, 1100);
    word = latency_learn(word, 500, 12 + LATENCY_HALF); /* half is forgotten */
    assert_in_range(latency_of(word, 12 + LATENCY_HALF), 720, 810);
    assert_int_equal(latency_of(latency_learn(0, INT64_MAX, 1), 1), UINT32_MAX);
    assert_int_equal(latency_of(latency_learn(0, -5, 1), 1), 1);
}

static struct balance_query at(int64_t now)
{
    return (struct balance_query){ .now = now };
}

static void the_faster_of_two_takes_it(void **state)
{
    struct site *s = SITE(CONF_LATENCY, 1, 1);
    struct balance_query q = at(5000);
    (void)state;
    latency_answered(&s->peers[0], 20000, 5000);
    latency_answered(&s->peers[1], 2000, 5000);
    for (int i = 0; i < 200; i++)
        assert_int_equal(site_pick(s, &q), 1);
    for (int i = 0; i < 12; i++) /* 13 x 2 ms are more than 20 ms */
        site_count(s, 1, 1);
    for (int i = 0; i < 200; i++)
        assert_int_equal(site_pick(s, &q), 0);
    site_set_down(s, 0, true);
    assert_int_equal(site_pick(s, &q), 1);
    site_set_down(s, 1, true);
    assert_int_equal(site_pick(s, &q), -1);
    site_free(s);
}

static void who_fails_fast_is_not_fast(void **state)
{
    struct site *s = SITE(CONF_LATENCY, 1, 1);
    struct balance_query q = at(5000);
    (void)state;
    latency_answered(&s->peers[1], 50000, 5000);
    latency_failed(&s->peers[0], 10, 5000);
    for (int i = 0; i < 200; i++)
        assert_int_equal(site_pick(s, &q), 1);
    site_free(s);
}

/* Equally fast: by weight, within four deviations. One ten times slower than the others of a
 * hundred gets next to nothing. */
static void shares(void **state)
{
    struct site *s = SITE(CONF_LATENCY, 100, 50, 0, 50);
    struct balance_query q = at(5000);
    int got[4] = { 0 }, slow = 0;
    (void)state;
    for (int i = 0; i < 4; i++)
        latency_answered(&s->peers[i], 3000, 5000);
    for (int i = 0; i < 40000; i++)
        got[site_pick(s, &q)]++;
    assert_int_equal(got[2], 0);
    assert_true(got[0] > got[1] * 3 / 2 && got[0] > got[3] * 3 / 2);
    assert_in_range(got[1], got[3] * 9 / 10, got[3] * 11 / 10);
    site_free(s);
    s = site_new(CONF_LATENCY, NULL, 100);
    for (int i = 0; i < 100; i++)
        latency_answered(&s->peers[i], i == 50 ? 30000 : 3000, 5000);
    for (int i = 0; i < 10000; i++)
        slow += site_pick(s, &q) == 50;
    assert_int_equal(slow, 0);
    site_free(s);
}

/* Of two: one that has been back for a twentieth of its slow start, and of which nothing is known.
 */
static void who_starts_slowly_has_one_chance(void **state)
{
    struct site *s = SITE(CONF_LATENCY, 1, 1);
    struct balance_query q = at(5000);
    int got = 0;
    (void)state;
    s->upstream.slow_start = 100;
    q.real = 1000000;
    atomic_store(&s->peers[0].row->since, (uint64_t)q.real - 5000);
    latency_answered(&s->peers[1], 3000, 5000);
    for (int i = 0; i < 10000; i++)
        got += site_pick(s, &q) == 0;
    assert_in_range(got, 350, 650);
    q.no_trials = true;
    s->peers[1].weight = 0; /* nobody else is left: it takes all */
    for (int i = 0; i < 100; i++)
        assert_int_equal(site_pick(s, &q), 0);
    site_free(s);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(forgets_like_the_twin),
        cmocka_unit_test(peaks_count_at_once_and_the_fast_slowly),
        cmocka_unit_test(the_faster_of_two_takes_it),
        cmocka_unit_test(who_fails_fast_is_not_fast),
        cmocka_unit_test(shares),
        cmocka_unit_test(who_starts_slowly_has_one_chance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
