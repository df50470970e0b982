/* SPDX-License-Identifier: Apache-2.0 */
/* Health rows: found by identity over loads, in-flight counts summed over slots and forgotten with
 * the dead. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "shm/health.h"
#include <string.h>

static struct zone zone;

static int setup(void **state)
{
    (void)state;
    return health_make(&zone, 10, 4) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    region_drop(&zone);
    return 0;
}

static void peers_keep_what_is_known(void **state)
{
    struct health_peer_shm *p = health_claim_peer(&zone, 77, "orders/127.0.0.1:9001", 1);

    (void)state;
    assert_non_null(p);
    assert_ptr_equal(health_peer(&zone, 77), p);
    assert_string_equal(p->name, "orders/127.0.0.1:9001");
    atomic_store(&p->verdict, HEALTH_DOWN);
    atomic_store(&p->failures, 3);
    assert_ptr_equal(health_claim_peer(&zone, 77, "orders/127.0.0.1:9001", 2), p);
    assert_int_equal(health_state(p), HEALTH_DOWN);
    assert_int_equal(atomic_load(&p->failures), 3);
    assert_int_equal(atomic_load(&p->era), 2);
    assert_null(health_peer(&zone, 78));
    assert_null(health_peer(&zone, 0));
}

static void upstreams_keep_their_turn(void **state)
{
    struct health_upstream_shm *u = health_claim_upstream(&zone, 5, "orders", 1);

    (void)state;
    assert_non_null(u);
    atomic_store(&u->turn, 41);
    assert_ptr_equal(health_claim_upstream(&zone, 5, "orders", 2), u);
    assert_int_equal(atomic_load(&health_upstream(&zone, 5)->turn), 41);
    assert_null(health_upstream(&zone, 6));
}

static void names_are_cut_to_fit(void **state)
{
    char name[200];
    struct health_peer_shm *p;

    (void)state;
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    p = health_claim_peer(&zone, 1, name, 1);
    assert_int_equal(strlen(p->name), sizeof p->name - 1);
}

static void in_flight_is_summed_and_forgotten(void **state)
{
    struct health_peer_shm *a = health_claim_peer(&zone, 1, "a", 1);
    struct health_peer_shm *b = health_claim_peer(&zone, 2, "b", 1);

    (void)state;
    atomic_fetch_add(health_in_flight(&zone, a, 0), 2);
    atomic_fetch_add(health_in_flight(&zone, a, 200), 3);
    atomic_fetch_add(health_in_flight(&zone, b, 200), 7);
    assert_int_equal(health_in_flight_sum(&zone, a), 5);
    assert_int_equal(health_in_flight_sum(&zone, b), 7);
    health_forget(&zone, 200);
    assert_int_equal(health_in_flight_sum(&zone, a), 2);
    assert_int_equal(health_in_flight_sum(&zone, b), 0);
    health_forget(&zone, 255);
    health_forget(&zone, 1000);
    assert_null(health_in_flight(&zone, a, 256));
}

static void stale_rows_make_room(void **state)
{
    (void)state;
    for (uint64_t era = 1; era <= 50; era++)
        for (uint64_t i = 1; i <= 400; i++)
            assert_non_null(health_claim_peer(&zone, era * 1000 + i, "p", era));
    for (uint64_t i = 1; i <= 400; i++) {
        assert_non_null(health_peer(&zone, 50 * 1000 + i));
        assert_non_null(health_peer(&zone, 49 * 1000 + i));
    }
}

static void a_row_that_is_given_anew_is_clean(void **state)
{
    struct health_peer_shm *first[1025], *again;
    size_t n = 0;

    (void)state;
    while ((first[n] = health_claim_peer(&zone, n + 1, "p", 1)) != NULL) {
        atomic_store(&first[n]->verdict, HEALTH_DOWN);
        atomic_store(&first[n]->requests, 9);
        atomic_store(health_in_flight(&zone, first[n], 3), 4);
        n++;
    }
    assert_int_equal(n, 1024);
    assert_null(health_claim_peer(&zone, 5000, "p", 3)); /* all have requests under way */
    atomic_store(health_in_flight(&zone, first[700], 3), 0);
    assert_null(health_claim_peer(&zone, 5000, "p", 2)); /* it may still be in use */
    again = health_claim_peer(&zone, 5000, "p", 3);
    assert_ptr_equal(again, first[700]);
    assert_int_equal(health_state(again), HEALTH_UP);
    assert_int_equal(atomic_load(&again->requests), 0);
    assert_int_equal(health_in_flight_sum(&zone, again), 0);
}

static void says_whether_a_load_fits(void **state)
{
    struct zone large;

    (void)state;
    assert_true(health_fits(&zone, 512, 128));
    assert_false(health_fits(&zone, 513, 1));
    assert_false(health_fits(&zone, 1, 129));
    assert_true(health_make(&large, 20000, 3000));
    assert_true(health_fits(&large, 20000, 3000));
    region_drop(&large);
}

static void a_larger_zone_keeps_what_is_known(void **state)
{
    struct zone large;

    (void)state;
    atomic_store(&health_claim_peer(&zone, 7, "p", 1)->verdict, HEALTH_DOWN);
    atomic_store(&health_peer(&zone, 7)->connects, 8);
    atomic_store(&health_claim_upstream(&zone, 5, "orders", 1)->turn, 41);
    assert_true(health_make(&large, 5000, 4));
    health_copy(&large, &zone);
    assert_int_equal(atomic_load(&health_upstream(&large, 5)->turn), 41);
    assert_int_equal(atomic_load(&health_peer(&large, 7)->era), 1);
    assert_int_equal(health_state(health_peer(&large, 7)), HEALTH_DOWN);
    assert_int_equal(atomic_load(&health_peer(&large, 7)->connects), 8);
    assert_null(health_peer(&large, 8));
    region_drop(&large);
}

static void a_scribbled_head_leads_nowhere(void **state)
{
    struct health_peer_shm *p = health_claim_peer(&zone, 7, "p", 1);

    (void)state;
    memset(region_body(&zone), 0xff, 64);
    assert_null(health_peer(&zone, 7));
    assert_null(health_claim_peer(&zone, 7, "p", 1));
    assert_null(health_claim_upstream(&zone, 7, "p", 1));
    assert_null(health_in_flight(&zone, p, 0));
    assert_int_equal(health_in_flight_sum(&zone, p), 0);
    assert_false(health_fits(&zone, 1, 1));
    health_forget(&zone, 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(peers_keep_what_is_known),       TEST(upstreams_keep_their_turn),
        TEST(names_are_cut_to_fit),           TEST(in_flight_is_summed_and_forgotten),
        TEST(stale_rows_make_room),           TEST(a_row_that_is_given_anew_is_clean),
        TEST(says_whether_a_load_fits),       TEST(a_larger_zone_keeps_what_is_known),
        TEST(a_scribbled_head_leads_nowhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
