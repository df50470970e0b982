/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the bench of eviction (tests/bench/eviction.c) shows in full, in short: the cache misses at
 * most a point more than the best of LRU, FIFO, S3-FIFO and SIEVE, though those have perfect
 * memory, and a tenth less than LRU where a crawler walks through all there is. No clock and no
 * chance in it: each run counts the same misses.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/bench/evict_bound.h"
#include "tests/bench/evict_replay.h"

enum { OBJECTS = 150000, REQUESTS = 1000000, SHARE = 5, POINT = REQUESTS / 100 };

static void check(const struct trace_plan *plan)
{
    struct trace trace = trace_make(plan, OBJECTS, REQUESTS, 1);
    uint64_t room = trace.working_set / 100 * SHARE, best = UINT64_MAX, lru = 0;
    struct peers_score ours = replay_run(&trace, room);
    for (int i = 0; i < PEERS; i++) {
        struct peers_score one = peers_run(&peers_policies[i], &trace, room);
        best = one.missed < best ? one.missed : best;
        lru = i == PEERS_LRU ? one.missed : lru;
    }
    uint64_t bound = plan->skewed ? bound_pfoo(&trace, room) : bound_min(&trace, room);
    print_message("# %s: misses %u, the best of the others %u, LRU %u, possible %u, of %u\n",
                  plan->name, (unsigned)ours.missed, (unsigned)best, (unsigned)lru, (unsigned)bound,
                  REQUESTS);
    assert_true(bound < best && bound < ours.missed); /* or one of them is wrong */
    assert_true(ours.missed <= best + POINT);
    if (plan->scan)
        assert_true(ours.missed * 10 <= lru * 9);
    trace_drop(&trace);
}

static void test_zipf(void **state)
{
    (void)state;
    check(&(struct trace_plan){ "Zipf 0.9", 0.9, false, 0 });
}

static void test_scan(void **state)
{
    (void)state;
    check(&(struct trace_plan){ "scan mix", 0.9, false, 30 });
}

static void test_sizes(void **state)
{
    (void)state;
    check(&(struct trace_plan){ "sizes", 0.9, true, 0 });
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_zipf),
        cmocka_unit_test(test_scan),
        cmocka_unit_test(test_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
