/* SPDX-License-Identifier: Apache-2.0 */
/* Least connections beside the slow twin, which compares fractions of all peers. */
#include "balance_fixture.h"

/* Whether no usable peer has less under way for its weight. */
static bool is_least(struct site *s, long picked)
{
    double own = (double)atomic_load(s->peers[picked].in_flight) / s->peers[picked].weight;
    for (size_t i = 0; i < s->set.n; i++) {
        const struct peer *p = s->set.v[i];
        if (p->weight > 0 && health_state(p->row) == HEALTH_UP &&
            (double)atomic_load(p->in_flight) / p->weight < own)
            return false;
    }
    return true;
}

static void equals_the_twin(void **state)
{
    static const int tables[][5] = {
        { 1, 1, 1, 1, 1 }, { 100, 50, 0, 25, 75 }, { 65535, 1, 3, 0, 7 }, { 3, 3, 3, 9, 9 }
    };
    (void)state;
    for (size_t t = 0; t < sizeof(tables) / sizeof(*tables); t++) {
        struct site *s = site_new(CONF_LEAST_CONNECTIONS, tables[t], 5);
        uint64_t random = 42;
        for (int i = 0; i < 5000; i++) {
            struct balance_query q = { .now = 1 };
            long peer = site_pick(s, &q), done = (long)(balance_random(&random) % 5);
            site_set_down(s, 4, i % 100 > 80);
            peer = site_pick(s, &q);
            assert_true(peer >= 0 && s->peers[peer].weight > 0 && is_least(s, peer));
            site_count(s, peer, 1);
            if (atomic_load(s->peers[done].in_flight) > 0)
                site_count(s, done, -1);
        }
        site_free(s);
    }
}

/* Nothing under way: all are equal, and shares follow the weights within four deviations. */
static void ties_are_broken_by_weight(void **state)
{
    struct site *s = SITE(CONF_LEAST_CONNECTIONS, 100, 50, 0, 50);
    struct balance_query q = { .now = 1 };
    int got[4] = { 0 };
    (void)state;
    for (int i = 0; i < 40000; i++)
        got[site_pick(s, &q)]++;
    assert_in_range(got[0], 20000 - 400, 20000 + 400);
    assert_in_range(got[1], 10000 - 350, 10000 + 350);
    assert_int_equal(got[2], 0);
    assert_in_range(got[3], 10000 - 350, 10000 + 350);
    site_free(s);
}

/* What other workers have under way counts as well. */
static void counts_of_all_workers_are_summed(void **state)
{
    struct site *s = SITE(CONF_LEAST_CONNECTIONS, 1, 1);
    struct balance_query q = { .now = 1 };
    (void)state;
    atomic_store(health_in_flight(&s->heritage.health, s->peers[0].row, 9), 2);
    atomic_store(s->peers[1].in_flight, 1);
    for (int i = 0; i < 100; i++)
        assert_int_equal(site_pick(s, &q), 1);
    health_forget(&s->heritage.health, 9); /* it died */
    for (int i = 0; i < 100; i++)
        assert_int_equal(site_pick(s, &q), 0);
    site_free(s);
}

/* A large set is looked at in part: nobody is left out, and what is picked has few under way. */
static void large_sets_are_sampled(void **state)
{
    struct site *s = site_new(CONF_LEAST_CONNECTIONS, NULL, 1000);
    struct balance_query q = { .now = 1 };
    uint32_t most = 0;
    (void)state;
    for (int i = 0; i < 5000; i++)
        site_count(s, site_pick(s, &q), 1);
    for (size_t i = 0; i < 1000; i++) {
        uint32_t n = atomic_load(s->peers[i].in_flight);
        assert_true(n >= 1);
        most = n > most ? n : most;
    }
    assert_true(most <= 7);
    for (size_t i = 0; i < 999; i++)
        site_set_down(s, i, true);
    assert_int_equal(site_pick(s, &q), 999); /* however far it is */
    site_set_down(s, 999, true);
    assert_int_equal(site_pick(s, &q), -1);
    site_free(s);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_the_twin),
        cmocka_unit_test(ties_are_broken_by_weight),
        cmocka_unit_test(counts_of_all_workers_are_summed),
        cmocka_unit_test(large_sets_are_sampled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
