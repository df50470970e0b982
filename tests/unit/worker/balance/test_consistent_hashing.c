/* SPDX-License-Identifier: Apache-2.0 */
/* Consistent hashing: beside a twin that keeps nothing, shares, what a change moves, bounded load.
 */
#include "balance_fixture.h"
#include <math.h>

enum { KEYS = 100000 };

static long pick(struct site *s, uint64_t key)
{
    struct balance_query q = { .now = 1, .keyed = true, .key = balance_mix(key) };
    return site_pick(s, &q);
}

/* Every peer's draw at the key's position, one after the other; the least wins. */
static long twin(const struct site *s, uint64_t key)
{
    uint64_t slot = balance_mix(key) % 10000;
    double least = INFINITY;
    long best = -1;
    for (size_t i = 0; i < s->set.n; i++) {
        const struct peer *p = s->set.v[i];
        uint64_t h = balance_mix(p->identity ^ balance_mix(slot + UINT64_C(0x9e3779b97f4a7c15)));
        double draw = -log(((double)(h >> 11) + 0.5) / 9007199254740992.0) / p->weight;
        if (p->weight == 0 || health_state(p->row) != HEALTH_UP || draw >= least)
            continue;
        least = draw;
        best = p - s->peers;
    }
    return best;
}

static void equals_the_twin(void **state)
{
    struct site *s = SITE(CONF_CONSISTENT_HASHING, 100, 50, 0, 200, 1);
    (void)state;
    for (int round = 0; round < 3; round++) {
        site_set_down(s, 3, round == 1);
        for (uint64_t key = 0; key < 20000; key++)
            assert_int_equal(pick(s, key), twin(s, key));
    }
    site_free(s);
}

static void shares_follow_weights(void **state)
{
    struct site *s = SITE(CONF_CONSISTENT_HASHING, 100, 50, 0, 250);
    int got[4] = { 0 };
    (void)state;
    for (uint64_t key = 0; key < KEYS; key++)
        got[pick(s, key)]++;
    assert_in_range(got[0], KEYS * 0.25 * 0.93, KEYS * 0.25 * 1.07);
    assert_in_range(got[1], KEYS * 0.125 * 0.90, KEYS * 0.125 * 1.10);
    assert_int_equal(got[2], 0);
    assert_in_range(got[3], KEYS * 0.625 * 0.96, KEYS * 0.625 * 1.04);
    site_free(s);
}

/* One of ten goes: its keys move, a tenth, and no other. It comes back: all is as before. */
static void one_of_n_moves_one_nth(void **state)
{
    static long before[KEYS];
    struct site *s = site_new(CONF_CONSISTENT_HASHING, NULL, 10);
    int moved = 0;
    (void)state;
    for (uint64_t key = 0; key < KEYS; key++)
        before[key] = pick(s, key);
    site_balance(s, 10, 4);
    for (uint64_t key = 0; key < KEYS; key++) {
        long now = pick(s, key);
        moved += now != before[key];
        if (before[key] != 4)
            assert_int_equal(now, before[key]);
    }
    assert_in_range(moved, KEYS / 10 * 0.9, KEYS / 10 * 1.1);
    site_balance(s, 10, -1);
    for (uint64_t key = 0; key < KEYS; key++)
        assert_int_equal(pick(s, key), before[key]);
    site_free(s);
}

/* All ask for one key: nobody gets more than a quarter above its share, and a few. */
static void spread_is_bounded(void **state)
{
    struct site *s = site_new(CONF_CONSISTENT_HASHING, NULL, 4);
    int first = 0;
    (void)state;
    for (int active = 0; active < 2000; active++) {
        long peer = pick(s, 7);
        assert_true(peer >= 0);
        first += active < 16 && peer == pick(s, 7);
        site_count(s, peer, 1);
        assert_true(atomic_load(s->peers[peer].in_flight) <= 17 + 1.25 * (active + 1) / 4);
    }
    assert_int_equal(first, 16); /* little traffic: the key stays where it is */
    for (size_t i = 0; i < 4; i++)
        assert_true(atomic_load(s->peers[i].in_flight) > 50);
    site_free(s);
}

static void without_a_key_round_robin(void **state)
{
    struct site *s = SITE(CONF_CONSISTENT_HASHING, 2, 1);
    struct balance_query q = { .now = 1 };
    int got[2] = { 0 };
    (void)state;
    for (int i = 0; i < 300; i++)
        got[site_pick(s, &q)]++;
    assert_int_equal(got[0], 200);
    assert_int_equal(got[1], 100);
    site_free(s);
}

static void nobody_left(void **state)
{
    struct site *s = SITE(CONF_CONSISTENT_HASHING, 1, 0);
    (void)state;
    assert_int_equal(pick(s, 1), 0);
    site_set_down(s, 0, true);
    assert_int_equal(pick(s, 1), -1);
    site_free(s);
    s = SITE(CONF_CONSISTENT_HASHING, 0, 0);
    assert_int_equal(pick(s, 1), -1);
    site_free(s);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_the_twin),           cmocka_unit_test(shares_follow_weights),
        cmocka_unit_test(one_of_n_moves_one_nth),    cmocka_unit_test(spread_is_bounded),
        cmocka_unit_test(without_a_key_round_robin), cmocka_unit_test(nobody_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
