/* SPDX-License-Identifier: Apache-2.0 */
/* Limits: each shape, several at once, borders of windows, clocks that jump, a full table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "shm/board.h"
#include "shm/limits.c"

#define NOW (INT64_C(1800000000) * 1000) /* a full minute */

static struct zone zone;
static struct limits *l;

static int setup(void **state)
{
    (void)state;
    return limits_make(&zone, 65536) && (l = limits_attach(&zone, 3)) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    limits_detach(&l);
    region_drop(&zone);
    return 0;
}

static struct limits_claim claim(uint64_t who, enum calendar_unit unit, uint32_t limit)
{
    return (struct limits_claim){
        .key = limits_key(l, 1, &who, sizeof who), .unit = unit, .limit = limit, .cost = 1
    };
}

static bool take(struct limits_claim *c, int64_t now)
{
    return limits_take(l, c, 1, now);
}

static void fixed(void **state)
{
    (void)state;
    struct limits_claim c = claim(7, CALENDAR_MINUTE, 3), other = claim(8, CALENDAR_MINUTE, 1);
    for (uint32_t i = 0; i < 3; i++) {
        assert_true(take(&c, NOW + 1000 * i));
        assert_int_equal(c.left, 2 - i);
        assert_int_equal(c.reset, 60 - i);
        assert_int_equal(c.retry, 0);
    }
    assert_false(take(&c, NOW + 59001));
    assert_int_equal(c.left, 0);
    assert_int_equal(c.retry, 1);
    assert_true(take(&other, NOW + 59001));
    assert_true(take(&c, NOW + 60000));
    assert_int_equal(c.left, 2);
    struct limits_stats stats;
    limits_stats(l, &stats);
    assert_int_equal(stats.counters, 2);
    assert_int_equal(stats.evicted, 0);
    assert_int_equal(stats.room, 4096);
}

static void a_late_clock_counts_in_the_window_that_has_begun(void **state)
{
    (void)state;
    struct limits_claim c = claim(1, CALENDAR_SECOND, 2);
    assert_true(take(&c, NOW + 1000));
    assert_true(take(&c, NOW + 999));
    assert_false(take(&c, NOW + 1001));
    assert_false(take(&c, NOW + 998));
    assert_true(take(&c, NOW - 5000)); /* but one that was set back starts anew */
    assert_true(take(&c, NOW - 5000));
    assert_false(take(&c, NOW - 5000));
}

static void several_are_granted_whole_or_not_at_all(void **state)
{
    (void)state;
    struct limits_claim c[2] = { claim(1, CALENDAR_SECOND, 2), claim(1, CALENDAR_MINUTE, 3) };
    assert_true(limits_take(l, c, 2, NOW));
    assert_true(limits_take(l, c, 2, NOW));
    assert_false(limits_take(l, c, 2, NOW)); /* the second's refusal must not cost the minute */
    assert_int_equal(c[0].retry, 1);
    assert_int_equal(c[1].retry, 0);
    assert_true(limits_take(l, c, 2, NOW + 1000));
    assert_false(limits_take(l, c, 2, NOW + 1000));
    assert_int_equal(c[0].left, 1);
    assert_int_equal(c[1].left, 0);
    assert_int_equal(c[1].retry, 59);
}

static void give_back_undoes(void **state)
{
    (void)state;
    struct limits_claim c = claim(1, CALENDAR_DAY, 1), b = claim(2, CALENDAR_MINUTE, 1);
    assert_true(take(&c, NOW));
    give_back(l, &c, NOW);
    assert_true(take(&c, NOW));
    assert_false(take(&c, NOW));
    b.shape = LIMITS_BUCKET;
    assert_true(take(&b, NOW));
    give_back(l, &b, NOW);
    assert_true(take(&b, NOW));
    assert_false(take(&b, NOW));
}

static void sliding(void **state)
{
    (void)state;
    struct limits_claim c = claim(1, CALENDAR_MINUTE, 60);
    c.shape = LIMITS_SLIDING;
    for (int i = 0; i < 60; i++)
        assert_true(take(&c, NOW + 30000));
    assert_false(take(&c, NOW + 59999));
    assert_false(take(&c, NOW + 60000)); /* all of the window before still weighs */
    int granted = 0;
    while (take(&c, NOW + 75000))
        granted++;
    assert_int_equal(granted, 15); /* a quarter of it does not any more */
    while (take(&c, NOW + 119999))
        granted++;
    assert_int_equal(granted, 59);
    granted = 0;
    while (take(&c, NOW + 180000))
        granted++;
    assert_int_equal(granted, 60);
}

static void bucket(void **state)
{
    (void)state;
    struct limits_claim c = claim(1, CALENDAR_SECOND, 10);
    c.shape = LIMITS_BUCKET;
    c.burst = 5;
    for (uint32_t i = 0; i < 5; i++) {
        assert_true(take(&c, NOW));
        assert_int_equal(c.left, 4 - i);
    }
    assert_false(take(&c, NOW));
    assert_int_equal(c.retry, 1);
    assert_false(take(&c, NOW + 99));
    assert_true(take(&c, NOW + 100));
    assert_false(take(&c, NOW + 100));
    int granted = 0;
    for (int64_t ms = 200; ms < 10200; ms++)
        granted += take(&c, NOW + ms);
    assert_int_equal(granted, 100);
    c.burst = 0; /* as many as the limit */
    granted = 0;
    while (take(&c, NOW + 60000))
        granted++;
    assert_int_equal(granted, 10);
}

/* Retry-After is kept to: a claim fits then, and not long before. */
static void sliding_tells_when_to_come_again(void **state)
{
    (void)state;
    struct limits_claim c = claim(1, CALENDAR_MINUTE, 60);
    c.shape = LIMITS_SLIDING;
    for (int i = 0; i < 60; i++)
        assert_true(take(&c, NOW));
    assert_false(take(&c, NOW + 30000));
    assert_int_equal(c.retry, 31); /* one of those sixty has to leave the last minute */
    assert_false(take(&c, NOW + 60999));
    assert_int_equal(c.retry, 1);
    assert_true(take(&c, NOW + 61000));
    assert_false(take(&c, NOW + 61000));
    assert_int_equal(c.retry, 1);
    assert_true(take(&c, NOW + 62000));
}

static void sliding_over_a_year_of_billions(void **state)
{
    (void)state;
    struct limits_claim c = claim(1, CALENDAR_YEAR, INT32_MAX);
    struct calendar_window year = calendar_window(CALENDAR_YEAR, NOW);
    c.shape = LIMITS_SLIDING;
    limits_settle(l, &c, year.from - 1, 2000000000, 0);
    assert_true(take(&c, year.from + (year.till - year.from) / 2));
    assert_int_equal(c.left, INT32_MAX - 1000000000 - 1); /* half of them weigh */
    limits_settle(l, &c, year.from, INT32_MAX - 1000000000, 0);
    assert_false(take(&c, year.from + (year.till - year.from) / 2));
    assert_true(c.retry <= 2);
}

/* A clock that was far ahead and is set back: nobody waits for it to be there again. */
static void a_bucket_outlives_a_clock_that_is_set_back(void **state)
{
    (void)state;
    int64_t day = 86400000;
    struct limits_claim c = claim(1, CALENDAR_MINUTE, 6);
    c.shape = LIMITS_BUCKET;
    for (int i = 0; i < 6; i++)
        assert_true(take(&c, NOW + day));
    assert_false(take(&c, NOW + day - 1000)); /* a late clock is none that was set back */
    assert_int_equal(c.retry, 11);
    assert_false(take(&c, NOW));
    assert_int_equal(c.retry, 10);
    assert_true(take(&c, NOW + 10000));
    assert_false(take(&c, NOW + 10000));
    struct limits_claim several[2] = { c, claim(1, CALENDAR_DAY, 100) };
    assert_true(limits_take(l, several, 2, NOW + 20000));
    assert_false(limits_take(l, several, 2, NOW + 20000 - day));
    assert_true(limits_take(l, several, 2, NOW + 30000 - day));
}

static void a_huge_burst_is_one(void **state)
{
    (void)state;
    struct limits_claim c = claim(1, CALENDAR_YEAR, 1);
    c.shape = LIMITS_BUCKET;
    for (uint32_t burst = INT32_MAX; burst > 1000; burst = burst / 8 * 5) {
        c.key = limits_key(l, 2, &burst, sizeof burst);
        c.burst = burst;
        for (int i = 0; i < 1000; i++)
            assert_true(take(&c, NOW));
        assert_true(c.left >= burst - 1000 || c.left > 70000);
        assert_true(c.reset > 365 * 86400u);
    }
}

static void a_full_table_forgets_those_that_counted_least(void **state)
{
    (void)state;
    struct limits_stats stats;
    struct limits_claim heavy = claim(0, CALENDAR_DAY, 1000);
    for (int i = 0; i < 100; i++)
        assert_true(take(&heavy, NOW));
    for (uint64_t who = 1; who < 50000; who++) {
        struct limits_claim c = claim(who, CALENDAR_DAY, 5);
        assert_true(take(&c, NOW));
    }
    limits_stats(l, &stats);
    assert_int_equal(stats.counters, stats.room);
    assert_true(stats.evicted > 40000);
    assert_true(take(&heavy, NOW));
    assert_int_equal(heavy.left, 899);
    uint64_t before = stats.evicted;           /* a day later all of them are over */
    for (uint64_t who = 1; who < 100; who++) { /* so few that no place overflows */
        struct limits_claim c = claim(who, CALENDAR_DAY, 5);
        assert_true(take(&c, NOW + 86400000));
        assert_int_equal(c.left, 4);
    }
    limits_stats(l, &stats);
    assert_int_equal(stats.evicted, before);
}

/* Nor can who asks under ever new names empty the bucket that tells how much he took. */
static void a_full_table_forgets_the_fullest_buckets(void **state)
{
    (void)state;
    struct limits_stats stats;
    struct limits_claim heavy = claim(0, CALENDAR_DAY, 5), c;
    heavy.shape = LIMITS_BUCKET;
    for (int i = 0; i < 5; i++)
        assert_true(take(&heavy, NOW));
    for (uint64_t who = 1; who < 50000; who++) {
        c = claim(who, CALENDAR_DAY, 5);
        c.shape = LIMITS_BUCKET;
        assert_true(take(&c, NOW));
    }
    limits_stats(l, &stats);
    assert_true(stats.evicted > 40000);
    assert_false(take(&heavy, NOW));
}

/* What a process leaves that dies while it gives a counter to a key: the lock, and a FROZEN word.
 */
static void a_death_inside_is_mended(void **state)
{
    (void)state;
    struct limits_claim c = claim(1, CALENDAR_MINUTE, 2);
    uint64_t key = kind_key(&c, 0);
    struct limits_counter_shm *place = place_of(l, key);
    struct lock_shm *lock = &l->shm->locks[key >> 8 & (LIMITS_SHARDS - 1)].lock;
    for (int i = 0; i < LIMITS_PLACE; i++)
        atomic_store(&place[i].word, FROZEN);
    atomic_store(&place[2].key, key);
    lock_take(lock, 9);
    limits_break(&zone, 8); /* another one's death changes nothing */
    assert_int_equal(atomic_load(&lock->word), 10);
    limits_break(&zone, 9);
    assert_true(take(&c, NOW));
    assert_true(take(&c, NOW));
    assert_false(take(&c, NOW));
}

static void zones_are_told_apart_by_size(void **state)
{
    (void)state;
    assert_true(limits_fits(&zone, 65536));
    assert_true(limits_fits(&zone, 70000)); /* the same power of two */
    assert_false(limits_fits(&zone, 1 << 20));
    assert_false(limits_fits(&(struct zone){ .fd = -1 }, 65536));
}

/* What somebody else counted raises a counter and never lowers it. */
static void settled(void **state)
{
    (void)state;
    struct limits_claim c = claim(1, CALENDAR_MINUTE, 10);
    limits_settle(l, &c, NOW, 1, 5);
    assert_true(take(&c, NOW));
    assert_int_equal(c.left, 4);
    limits_settle(l, &c, NOW, 0, 3);
    limits_settle(l, &c, NOW - 60000, 0, 10); /* a window that is over */
    assert_true(take(&c, NOW));
    assert_int_equal(c.left, 3);
    limits_settle(l, &c, NOW, 2, 7);
    assert_true(take(&c, NOW));
    assert_int_equal(c.left, 0);
    assert_false(take(&c, NOW));
    c = claim(2, CALENDAR_MINUTE, 10);
    c.shape = LIMITS_SLIDING;
    limits_settle(l, &c, calendar_window(CALENDAR_MINUTE, NOW).from - 1, 0, 10);
    assert_false(take(&c, calendar_window(CALENDAR_MINUTE, NOW).from));
    c = claim(3, CALENDAR_MINUTE, 10);
    c.shape = LIMITS_BUCKET;
    limits_settle(l, &c, NOW, 0, (uint64_t)(NOW + 30000) * 1000); /* five are gone */
    limits_settle(l, &c, NOW, 1, 0);
    assert_true(take(&c, NOW));
    assert_int_equal(c.left, 3);
}

static void keys_differ(void **state)
{
    (void)state;
    assert_true(limits_key(l, 1, "a", 1) != limits_key(l, 2, "a", 1));
    assert_true(limits_key(l, 1, "a", 1) != limits_key(l, 1, "b", 1));
    assert_true(limits_key(l, 1, "a", 1) == limits_key(l, 1, "a", 1));
}

int main(void)
{
#define EACH(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        EACH(fixed),
        EACH(a_late_clock_counts_in_the_window_that_has_begun),
        EACH(several_are_granted_whole_or_not_at_all),
        EACH(give_back_undoes),
        EACH(sliding),
        EACH(sliding_tells_when_to_come_again),
        EACH(sliding_over_a_year_of_billions),
        EACH(bucket),
        EACH(a_bucket_outlives_a_clock_that_is_set_back),
        EACH(a_huge_burst_is_one),
        EACH(a_full_table_forgets_those_that_counted_least),
        EACH(a_full_table_forgets_the_fullest_buckets),
        EACH(a_death_inside_is_mended),
        EACH(zones_are_told_apart_by_size),
        EACH(settled),
        EACH(keys_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
