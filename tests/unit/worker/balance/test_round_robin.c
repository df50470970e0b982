/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Weighted round-robin: the order against the slow twin (the plain algorithm stepped pick by pick),
 * exact shares over workers in several processes, peers that are down or tried, and weights of any
 * size.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "shm/health.h"
#include "worker/balance/balance.h"
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PEERS_MAX = 3000 };

struct site {
    struct conf conf;
    struct conf_upstream upstream;
    struct peer peers[PEERS_MAX];
    struct peer *order[PEERS_MAX];
    struct peer_set set;
    struct heritage heritage;
    struct balancer *balancer;
};

static struct site *site_new(const int *weights, size_t n)
{
    struct site *s = aligned_alloc(_Alignof(struct site), sizeof(*s));
    assert_non_null(s);
    memset(s, 0, sizeof(*s));
    assert_true(health_make(&s->heritage.health, PEERS_MAX, 1));
    s->upstream = (struct conf_upstream){ .name = { "orders", 6 }, .id = { "0a-1b", 5 } };
    s->conf = (struct conf){ .upstreams = &s->upstream, .upstreams_n = 1 };
    s->heritage.conf = &s->conf;
    s->set = (struct peer_set){ .upstream = &s->upstream, .version = 1, .n = n, .v = s->order };
    for (size_t i = 0; i < n; i++) {
        s->order[i] = &s->peers[i];
        s->peers[i] = (struct peer){
            .upstream = &s->upstream, .identity = i + 1, .at = (uint32_t)i, .weight = weights[i]
        };
        s->peers[i].row = health_claim_peer(&s->heritage.health, i + 1, "peer", 1);
        assert_non_null(s->peers[i].row);
    }
    s->set.row = health_claim_upstream(&s->heritage.health,
                                       health_upstream_identity(s->upstream.id.s), "orders", 1);
    assert_non_null(s->set.row);
    s->balancer = balance_make(&s->set, &s->heritage);
    assert_non_null(s->balancer);
    return s;
}
#define SITE(...)                                                                                  \
    site_new((const int[]){ __VA_ARGS__ }, sizeof((const int[]){ __VA_ARGS__ }) / sizeof(int))

static void site_free(struct site *s)
{
    balance_free(&s->balancer);
    assert_null(s->balancer);
    region_drop(&s->heritage.health);
    free(s);
}

/* The position of the next peer, or -1. */
static long next(struct site *s, uint64_t tried)
{
    struct balance_query q = { .tried = tried };
    const struct peer *p = balance_pick(s->balancer, &q);
    return p ? p - s->peers : -1;
}

static void set_down(struct site *s, size_t peer, bool down)
{
    atomic_store(&s->peers[peer].row->verdict, down ? HEALTH_DOWN : HEALTH_UP);
}

/* The plain algorithm, one pick. */
static long twin_next(const struct site *s, long credit[PEERS_MAX])
{
    long sum = 0, richest = 0;
    for (size_t i = 0; i < s->set.n; i++) {
        credit[i] += s->peers[i].weight;
        sum += s->peers[i].weight;
        if (credit[i] > credit[richest])
            richest = (long)i;
    }
    credit[richest] -= sum;
    return richest;
}

static void order_equals_the_twin(void **state)
{
    static const int tables[][6] = { { 1, 1, 1, 1, 1, 1 },      { 5, 1, 1, 0, 0, 0 },
                                     { 100, 50, 0, 25, 75, 1 }, { 0, 0, 0, 0, 0, 7 },
                                     { 65535, 1, 0, 0, 0, 0 },  { 3, 6, 9, 12, 15, 18 } };
    (void)state;
    for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++) {
        struct site *s = site_new(tables[i], 6);
        long credit[PEERS_MAX] = { 0 };
        for (int pick = 0; pick < 1000; pick++)
            assert_int_equal(next(s, 0), twin_next(s, credit));
        site_free(s);
    }
}

static void weight_0_is_never_picked(void **state)
{
    struct site *s = SITE(100, 50, 0);
    int got[3] = { 0 };
    (void)state;
    for (int i = 0; i < 3000; i++)
        got[next(s, 0)]++;
    assert_int_equal(got[0], 2000);
    assert_int_equal(got[1], 1000);
    assert_int_equal(got[2], 0);
    assert_in_range(next(s, 3), 0, 1); /* tried, but better than one without weight */
    site_free(s);
    s = SITE(0, 0);
    assert_int_equal(next(s, 0), -1);
    site_free(s);
}

static void no_peers_at_all(void **state)
{
    struct site *s = site_new(NULL, 0);
    (void)state;
    assert_int_equal(next(s, 0), -1);
    site_free(s);
}

/* Who is left gets exactly its share of the weight that is left. */
static void peers_that_are_down_leave_fair_shares(void **state)
{
    struct site *s = SITE(10, 20, 30, 40);
    int got[4] = { 0 };
    (void)state;
    set_down(s, 1, true);
    for (int i = 0; i < 800; i++)
        got[next(s, 0)]++;
    assert_int_equal(got[0], 100);
    assert_int_equal(got[1], 0);
    assert_int_equal(got[2], 300);
    assert_int_equal(got[3], 400);
    for (size_t i = 0; i < 4; i++)
        set_down(s, i, true);
    assert_int_equal(next(s, 0), -1);
    assert_int_equal(next(s, 1), -1);
    set_down(s, 2, false);
    for (int i = 0; i < 100; i++)
        assert_int_equal(next(s, 0), 2);
    assert_int_equal(next(s, 4), 2); /* tried, but the only one that is up */
    site_free(s);
}

static void tried_peers_are_avoided(void **state)
{
    struct site *s = SITE(3, 2, 1);
    (void)state;
    for (int round = 0; round < 100; round++) {
        struct balance_query q = { 0 };
        unsigned seen = 0;
        for (int i = 0; i < 3; i++) {
            const struct peer *p = balance_pick(s->balancer, &q);
            assert_non_null(p);
            seen |= 1u << (p - s->peers);
            balance_tried(s->balancer, &q, p);
        }
        assert_int_equal(seen, 7);
        assert_non_null(balance_pick(s->balancer, &q));
    }
    site_free(s);
}

/* One peer fails always: requests begin with it as often as its weight says, although each of them
 * then takes another one. */
static void tries_take_no_turns(void **state)
{
    (void)state;
    for (size_t peers = 2; peers <= 3; peers++) {
        struct site *s = site_new((const int[]){ 1, 1, 1 }, peers);
        unsigned first[3] = { 0 }, served[3] = { 0 };
        for (size_t i = 0; i < peers * 100; i++) {
            struct balance_query q = { 0 };
            const struct peer *p = balance_pick(s->balancer, &q);
            first[p - s->peers]++;
            if (p == s->peers) {
                balance_tried(s->balancer, &q, p);
                p = balance_pick(s->balancer, &q);
            }
            served[p - s->peers]++;
        }
        assert_int_equal(first[0], 100);
        assert_int_equal(served[0], 0);
        for (size_t i = 1; i < peers; i++)
            assert_int_equal(served[i], 100 + 100 / (peers - 1));
        site_free(s);
    }
}

/* A peer dies with many requests under way, which all fail before another one comes: they go to all
 * others as their weights say, not to one of them. */
static void tries_at_one_moment_are_shared(void **state)
{
    struct site *s = SITE(1, 1, 2, 1);
    struct balance_query q[80] = { 0 };
    unsigned served[4] = { 0 };
    (void)state;
    for (size_t i = 0; i < 80; i++)
        balance_tried(s->balancer, &q[i], s->order[0]);
    for (size_t i = 0; i < 80; i++)
        served[balance_pick(s->balancer, &q[i]) - s->peers]++;
    assert_int_equal(served[0], 0);
    assert_int_equal(served[1], 20);
    assert_int_equal(served[2], 40);
    assert_int_equal(served[3], 20);
    site_free(s);
}

static void positions_past_63_are_remembered_by_who_they_are(void **state)
{
    int weights[PEERS_MAX];
    struct balance_query q = { 0 };
    (void)state;
    for (int i = 0; i < 100; i++)
        weights[i] = 1;
    struct site *s = site_new(weights, 100);
    balance_tried(s->balancer, &q, &s->peers[63]);
    balance_tried(s->balancer, &q, &s->peers[99]);
    assert_true(q.tried == UINT64_C(1) << 63);
    for (int i = 0; i < 1000; i++) {
        const struct peer *p = balance_pick(s->balancer, &q);
        assert_true(p != &s->peers[63] && p != &s->peers[99]);
    }
    site_free(s);
}

/* A retry after the set has changed: the peer that failed is known by who it is, not where. */
static void tries_outlive_a_set(void **state)
{
    struct site *s = SITE(1, 1);
    struct balance_query q = { 0 };
    (void)state;
    balance_tried(s->balancer, &q, &s->peers[0]);
    balance_free(&s->balancer);
    s->order[0] = &s->peers[1];
    s->order[1] = &s->peers[0];
    s->peers[1].at = 0;
    s->peers[0].at = 1;
    s->set.version = 2;
    s->balancer = balance_make(&s->set, &s->heritage);
    for (int i = 0; i < 10; i++)
        assert_ptr_equal(balance_pick(s->balancer, &q), &s->peers[1]);
    site_free(s);
}

/* Too heavy for a cycle of their own length: scaled, within a thousandth. */
static void heavy_weights_are_scaled(void **state)
{
    struct site *s = SITE(65535, 65534, 1, 32767);
    double sum = 65535 + 65534 + 1 + 32767;
    int got[4] = { 0 }, picks = 200000;
    (void)state;
    for (int i = 0; i < picks; i++)
        got[next(s, 0)]++;
    for (int i = 0; i < 4; i++) {
        double wanted = (double)picks * s->peers[i].weight / sum;
        assert_true(got[i] > wanted - picks / 1000 && got[i] < wanted + picks / 1000);
    }
    assert_true(got[2] > 0);
    site_free(s);
}

/* A set that is too large for the plain algorithm: the shares are as exact, and nobody waits more
 * than twice as long as its share demands. */
static void large_sets_are_spread_evenly(void **state)
{
    static int weights[PEERS_MAX], got[PEERS_MAX], last[PEERS_MAX];
    int sum = 0;
    (void)state;
    for (int i = 0; i < PEERS_MAX; i++)
        sum += weights[i] = 1 + i % 7;
    struct site *s = site_new(weights, PEERS_MAX);
    for (int pick = 0; pick < sum; pick++) {
        long peer = next(s, 0);
        if (got[peer]++)
            assert_true(pick - last[peer] <= 2 * sum / weights[peer]);
        last[peer] = pick;
    }
    for (int i = 0; i < PEERS_MAX; i++)
        assert_int_equal(got[i], weights[i]);
    site_free(s);
}

/* Four workers with their own balancers and one shared position: the sum of what they pick is
 * exact. */
static void workers_share_one_sequence(void **state)
{
    enum { WORKERS = 4, PICKS = 30000 };
    struct site *s = SITE(100, 50, 0);
    _Atomic int *got =
        mmap(NULL, 3 * sizeof(*got), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    (void)state;
    assert_true(got != MAP_FAILED);
    for (int w = 0; w < WORKERS; w++) {
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid > 0)
            continue;
        struct balancer *own = balance_make(&s->set, &s->heritage);
        struct balance_query q = { 0 };
        for (int i = 0; own && i < PICKS; i++)
            atomic_fetch_add(&got[balance_pick(own, &q) - s->peers], 1);
        balance_free(&own);
        _exit(0);
    }
    for (int w = 0; w < WORKERS; w++)
        assert_true(wait(NULL) > 0);
    assert_int_equal(got[0], WORKERS * PICKS * 2 / 3);
    assert_int_equal(got[1], WORKERS * PICKS / 3);
    assert_int_equal(got[2], 0);
    munmap((void *)(uintptr_t)got, 3 * sizeof(*got));
    site_free(s);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_equals_the_twin),
        cmocka_unit_test(weight_0_is_never_picked),
        cmocka_unit_test(no_peers_at_all),
        cmocka_unit_test(peers_that_are_down_leave_fair_shares),
        cmocka_unit_test(tried_peers_are_avoided),
        cmocka_unit_test(tries_take_no_turns),
        cmocka_unit_test(tries_at_one_moment_are_shared),
        cmocka_unit_test(positions_past_63_are_remembered_by_who_they_are),
        cmocka_unit_test(tries_outlive_a_set),
        cmocka_unit_test(heavy_weights_are_scaled),
        cmocka_unit_test(large_sets_are_spread_evenly),
        cmocka_unit_test(workers_share_one_sequence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
