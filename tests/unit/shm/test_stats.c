/* SPDX-License-Identifier: Apache-2.0 */
/* Counters: rows found by id, sums over slots, rows reused last, a larger zone that goes on
 * counting. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "shm/stats.h"
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static struct zone zone;

static int setup(void **state)
{
    (void)state;
    return stats_make(&zone, 100) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    region_drop(&zone);
    return 0;
}

static int claim(int n, uint64_t generation)
{
    char id[40], name[40];
    snprintf(id, sizeof id, "00000000-0000-4000-8000-%012d", n);
    snprintf(name, sizeof name, "route-%d", n);
    return stats_claim(&zone, id, name, generation);
}

static void rows_stay_over_loads(void **state)
{
    (void)state;
    assert_int_equal(claim(1, 1), 0);
    assert_int_equal(claim(2, 1), 1);
    assert_int_equal(claim(3, 2), 2);
    assert_int_equal(claim(1, 2), 0);
    assert_string_equal(stats_name(&zone, 1), "route-2");
    assert_int_equal(stats_row(&zone, "00000000-0000-4000-8000-000000000003"), 2);
    assert_int_equal(stats_row(&zone, "nothing"), -1);
    assert_null(stats_name(&zone, 3));
    assert_null(stats_name(&zone, -1));
    assert_null(stats_name(&zone, 100));
}

static void sums_over_all_slots(void **state)
{
    struct stats_process_shm process;
    struct stats_route_shm route;
    int row = claim(1, 1);

    (void)state;
    for (uint32_t slot = 0; slot < 256; slot += 51) {
        stats_add(&stats_process(&zone, slot)->requests, slot + 1);
        stats_add(&stats_process(&zone, slot)->unrouted.status[4], 1);
        stats_add(&stats_route(&zone, slot, row)->bytes_out, 1000);
    }
    stats_sum_process(&zone, &process);
    assert_int_equal(process.requests, 6 + 51 * (1 + 2 + 3 + 4 + 5));
    assert_int_equal(process.unrouted.status[4], 6);
    stats_sum_route(&zone, row, &route);
    assert_int_equal(route.bytes_out, 6000);
    stats_sum_route(&zone, 5, &route);
    assert_int_equal(route.bytes_out, 0);
    stats_sum_route(&zone, 1000, &route);
    assert_int_equal(route.bytes_out, 0);
}

static void there_is_nothing_outside(void **state)
{
    (void)state;
    assert_null(stats_process(&zone, 256));
    assert_null(stats_route(&zone, 256, 0));
    assert_null(stats_route(&zone, 0, 100));
    assert_null(stats_route(&zone, 0, -1));
    assert_int_equal(stats_capacity(&zone), 100);
}

static void latency_falls_into_buckets(void **state)
{
    struct stats_route_shm *row = stats_route(&zone, 0, claim(1, 1));

    (void)state;
    stats_latency(row, 0);
    stats_latency(row, 100);
    stats_latency(row, 101);
    stats_latency(row, UINT64_C(3600000000));
    assert_int_equal(row->latency[0], 2);
    assert_int_equal(row->latency[1], 1);
    assert_int_equal(row->latency[STATS_BUCKETS - 1], 1);
    assert_int_equal(row->latency_sum, UINT64_C(3600000201));
}

static void bounds_rise(void **state)
{
    (void)state;
    for (int i = 1; i < STATS_BUCKETS; i++)
        assert_true(stats_bounds[i] > stats_bounds[i - 1]);
    assert_true(stats_bounds[STATS_BUCKETS - 1] == UINT64_MAX);
}

static void rows_of_the_running_load_are_never_reused(void **state)
{
    (void)state;
    for (int i = 0; i < 100; i++)
        assert_int_equal(claim(i, 1), i);
    assert_int_equal(claim(100, 1), -1);
    assert_int_equal(claim(100, 2), -1);
    assert_int_equal(claim(7, 2), 7);
}

static void the_oldest_row_is_reused_and_starts_at_zero(void **state)
{
    struct stats_route_shm route;

    (void)state;
    for (int i = 0; i < 100; i++)
        claim(i, 1);
    stats_add(&stats_route(&zone, 3, 42)->requests, 9);
    for (int i = 0; i < 100; i++)
        if (i != 42)
            claim(i, 2);
    assert_int_equal(claim(200, 3), 42);
    assert_string_equal(stats_name(&zone, 42), "route-200");
    assert_int_equal(stats_row(&zone, "00000000-0000-4000-8000-000000000042"), -1);
    assert_int_equal(stats_row(&zone, "00000000-0000-4000-8000-000000000200"), 42);
    stats_sum_route(&zone, 42, &route);
    assert_int_equal(route.requests, 0);
    for (int i = 0; i < 100; i++)
        if (i != 42)
            assert_int_equal(claim(i, 3), i);
}

static void many_loads_with_other_routes_never_fill_it(void **state)
{
    (void)state;
    for (uint64_t generation = 1; generation < 500; generation++)
        for (int i = 0; i < 50; i++)
            assert_true(claim((int)generation * 50 + i, generation) >= 0);
}

static void gauges_of_the_dead_are_settled(void **state)
{
    struct stats_process_shm sum;

    (void)state;
    stats_process(&zone, 4)->active = 12;
    stats_process(&zone, 4)->idle = 3;
    stats_process(&zone, 4)->requests = 7;
    stats_process(&zone, 5)->active = 1;
    stats_settle(&zone, 4);
    stats_settle(&zone, 255);
    stats_settle(&zone, 256);
    stats_sum_process(&zone, &sum);
    assert_int_equal(sum.active, 1);
    assert_int_equal(sum.idle, 0);
    assert_int_equal(sum.requests, 7);
}

static void a_larger_zone_goes_on_counting(void **state)
{
    struct zone small = zone;
    struct stats_process_shm process;
    struct stats_route_shm route;

    (void)state;
    for (int i = 0; i < 90; i++)
        claim(i, 1);
    stats_add(&stats_process(&zone, 2)->accepted, 5);
    stats_add(&stats_route(&zone, 2, 88)->requests, 6);
    assert_true(stats_make(&zone, 4000));
    stats_copy(&zone, &small);
    region_drop(&small);
    assert_int_equal(stats_capacity(&zone), 4000);
    assert_int_equal(claim(88, 2), 88);
    stats_add(&stats_route(&zone, 2, 88)->requests, 1);
    stats_sum_route(&zone, 88, &route);
    assert_int_equal(route.requests, 7);
    stats_sum_process(&zone, &process);
    assert_int_equal(process.accepted, 5);
}

static void reading_touches_nothing_that_was_not_written(void **state)
{
    struct zone large;
    struct stats_process_shm process;
    struct stats_route_shm route;
    struct stat before, after;

    (void)state;
    assert_true(stats_make(&large, 16384));
    for (int i = 0; i < 3000; i++) {
        char id[40];
        snprintf(id, sizeof id, "id-%d", i);
        assert_int_equal(stats_claim(&large, id, "x", 1), i);
    }
    for (uint32_t slot = 0; slot < 8; slot++)
        stats_process(&large, slot)->requests = 1;
    stats_route(&large, 1, 2999)->requests = 1;
    assert_non_null(stats_name(&large, 2999));
    stats_sum_route(&large, 0, &route);
    assert_int_equal(fstat(large.fd, &before), 0);
    for (int i = 0; i < 3000; i++)
        stats_sum_route(&large, i, &route);
    stats_sum_process(&large, &process);
    assert_int_equal(fstat(large.fd, &after), 0);
    assert_int_equal(route.requests, 1);
    assert_int_equal(process.requests, 8);
    assert_true(after.st_blocks <= before.st_blocks + 8 * 8);
    region_drop(&large);
}

static void a_scribbled_head_leads_nowhere(void **state)
{
    struct stats_route_shm route;

    (void)state;
    claim(1, 1);
    memset(region_body(&zone), 0xff, 64);
    assert_int_equal(stats_capacity(&zone), 0);
    assert_int_equal(claim(2, 1), -1);
    assert_null(stats_process(&zone, 0));
    stats_settle(&zone, 0);
    stats_sum_route(&zone, 0, &route);
    assert_int_equal(route.requests, 0);
}

static void a_scribbled_index_ends(void **state)
{
    (void)state;
    claim(1, 1);
    memset((char *)region_body(&zone) + 320, 0xff, 16384);
    assert_int_equal(stats_row(&zone, "nothing"), -1);
    (void)claim(2, 2);
    (void)claim(3, 3);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(rows_stay_over_loads),
        TEST(sums_over_all_slots),
        TEST(there_is_nothing_outside),
        TEST(latency_falls_into_buckets),
        TEST(bounds_rise),
        TEST(rows_of_the_running_load_are_never_reused),
        TEST(the_oldest_row_is_reused_and_starts_at_zero),
        TEST(many_loads_with_other_routes_never_fill_it),
        TEST(gauges_of_the_dead_are_settled),
        TEST(a_larger_zone_goes_on_counting),
        TEST(reading_touches_nothing_that_was_not_written),
        TEST(a_scribbled_head_leads_nowhere),
        TEST(a_scribbled_index_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
