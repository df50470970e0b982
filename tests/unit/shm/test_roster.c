/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records are replaced as a whole: what is read is the old or the new, whatever their sizes; the
 * epoch tells of loud changes alone; an owner that died leaves nothing lost; no room is an error
 * that changes nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "shm/lock.h"
#include "shm/roster.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct zone zone;

static int setup(void **state)
{
    (void)state;
    return roster_make(&zone) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    size_t used;
    bool whole = roster_audit(&zone, &used);
    region_drop(&zone);
    return whole ? 0 : -1;
}

static uint64_t epoch(void)
{
    return atomic_load(roster_epoch(&zone));
}

static void says(uint64_t identity, const char *text)
{
    char got[256] = "";
    assert_int_equal(roster_get(&zone, identity, got, sizeof got, NULL), strlen(text));
    assert_string_equal(got, text);
}

static bool put(uint64_t identity, const char *text, enum roster_voice voice)
{
    return roster_put(&zone, 3, identity, text, strlen(text), voice);
}

/* What is counted beside a record stays where it is while the record is replaced. */
static void tallies_lie_beside_records(void **state)
{
    (void)state;
    uint64_t a = roster_identity(ROSTER_SERVICE, "a", 1);
    assert_null(roster_tally(&zone, a));
    assert_true(put(a, "one", ROSTER_LOUD));
    struct roster_tally *tally = roster_tally(&zone, a);
    assert_non_null(tally);
    atomic_store(&tally->turn, 5);
    assert_true(put(roster_identity(ROSTER_SERVICE, "b", 1), "other", ROSTER_LOUD));
    assert_true(put(a, "a longer one than before", ROSTER_LOUD));
    assert_ptr_equal(roster_tally(&zone, a), tally);
    assert_int_equal(atomic_load(&tally->turn), 5);
    roster_remove(&zone, 3, a);
    assert_null(roster_tally(&zone, a));
}

static void identities_differ(void **state)
{
    (void)state;
    assert_true(roster_identity(ROSTER_NAME, "a", 1) != roster_identity(ROSTER_UPSTREAM, "a", 1));
    assert_true(roster_identity(ROSTER_NAME, "a", 1) != roster_identity(ROSTER_NAME, "b", 1));
    assert_true(roster_identity(ROSTER_NAME, "", 0) != 0);
}

static void a_record_is_replaced(void **state)
{
    uint64_t change = 9;
    (void)state;
    assert_int_equal(roster_get(&zone, 5, NULL, 0, &change), 0);
    assert_int_equal(change, 0);
    assert_true(put(5, "one", ROSTER_LOUD));
    says(5, "one");
    assert_int_equal(roster_change(&zone, 5), 1);
    assert_int_equal(epoch(), 1);
    assert_true(put(5, "another, longer", ROSTER_LOUD));
    says(5, "another, longer");
    assert_int_equal(roster_get(&zone, 5, NULL, 0, &change), strlen("another, longer"));
    assert_int_equal(change, 2);
    roster_remove(&zone, 3, 5);
    assert_int_equal(roster_change(&zone, 5), 0);
    assert_int_equal(roster_get(&zone, 5, NULL, 0, NULL), 0);
    assert_int_equal(epoch(), 3);
    roster_remove(&zone, 3, 5);
    roster_remove(&zone, 3, 6);
    assert_int_equal(epoch(), 3);
}

static void only_news_are_loud(void **state)
{
    (void)state;
    assert_true(put(5, "one", ROSTER_LOUD));
    assert_true(put(5, "one", ROSTER_LOUD)); /* says nothing new */
    assert_int_equal(epoch(), 1);
    assert_true(put(5, "two", ROSTER_QUIET));
    says(5, "two");
    assert_int_equal(epoch(), 1);
    assert_true(put(6, "a new one is news", ROSTER_QUIET));
    assert_int_equal(epoch(), 2);
    assert_int_equal(roster_change(&zone, 5), 1);
    assert_int_equal(roster_change(&zone, 6), 2);
}

/* A record that goes and comes back is not taken for the one that was seen. */
static void who_comes_back_has_changed(void **state)
{
    (void)state;
    put(5, "one", ROSTER_LOUD);
    uint64_t seen = roster_change(&zone, 5);
    roster_remove(&zone, 3, 5);
    put(5, "one", ROSTER_LOUD);
    assert_true(roster_change(&zone, 5) != seen);
}

static void sizes(void **state)
{
    static char data[5000], got[5000];
    size_t used;
    (void)state;
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (char)(i * 7);
    for (size_t n = 1; n < 500; n++) {
        assert_true(roster_put(&zone, 3, 5, data, n, ROSTER_LOUD));
        memset(got, 0, sizeof got);
        assert_int_equal(roster_get(&zone, 5, got, sizeof got, NULL), n);
        assert_memory_equal(got, data, n);
        assert_true(roster_audit(&zone, &used));
        assert_int_equal(used, (n + 119) / 120);
    }
    assert_true(roster_put(&zone, 3, 5, data, sizeof data, ROSTER_LOUD));
    assert_int_equal(roster_get(&zone, 5, got, 100, NULL), sizeof data);
    assert_int_equal(roster_get(&zone, 5, got, sizeof got, NULL), sizeof data);
    assert_memory_equal(got, data, sizeof data);
}

static void many_records(void **state)
{
    enum { N = 20000 };
    uint32_t at = 0;
    size_t seen = 0;
    (void)state;
    for (uint64_t i = 1; i <= N; i++)
        assert_true(roster_put(&zone, 3, i << 20, &i, sizeof i, ROSTER_LOUD));
    for (uint64_t i = 1; i <= N; i++) {
        uint64_t got = 0;
        assert_int_equal(roster_get(&zone, i << 20, &got, sizeof got, NULL), sizeof got);
        assert_true(got == i);
    }
    while (roster_next(&zone, &at))
        seen++;
    assert_int_equal(seen, N);
    for (uint64_t i = 1; i <= N; i++)
        roster_remove(&zone, 3, i << 20);
    at = 0;
    assert_true(roster_next(&zone, &at) == 0);
    size_t used;
    assert_true(roster_audit(&zone, &used));
    assert_int_equal(used, 0);
}

static void rows_are_used_again(void **state)
{
    (void)state;
    for (uint64_t i = 1; i <= 3 * ROSTER_ROWS; i++) {
        assert_true(roster_put(&zone, 3, i, "x", 1, ROSTER_LOUD));
        if (i > 100)
            roster_remove(&zone, 3, i - 100);
    }
    says(3 * ROSTER_ROWS, "x");
}

static void no_room_changes_nothing(void **state)
{
    char *large = calloc(1, ROSTER_RECORD_MAX + 1);
    uint64_t i = 1;
    (void)state;
    assert_true(put(5, "small", ROSTER_LOUD));
    errno = 0;
    assert_false(roster_put(&zone, 3, 5, large, ROSTER_RECORD_MAX + 1, ROSTER_LOUD));
    assert_int_equal(errno, ENOMEM);
    says(5, "small");
    while (roster_put(&zone, 3, 1000 + i, large, ROSTER_RECORD_MAX, ROSTER_LOUD))
        i++;
    assert_in_range(i, 6, 9);
    uint64_t before = epoch();
    assert_false(roster_put(&zone, 3, 5, large, ROSTER_RECORD_MAX, ROSTER_LOUD));
    says(5, "small");
    assert_true(epoch() == before);
    roster_remove(&zone, 3, 1001);
    assert_true(roster_put(&zone, 3, 5, large, ROSTER_RECORD_MAX, ROSTER_LOUD));
    free(large);
}

/* The lock is the first thing in the zone. Whoever comes next mends, and everybody looks again. */
static void an_owner_that_died(void **state)
{
    struct lock_shm *lock = region_body(&zone);
    size_t used;
    (void)state;
    put(5, "one", ROSTER_LOUD);
    put(6, "two", ROSTER_LOUD);
    assert_int_equal(lock_take(lock, 9), LOCK_SOUND);
    roster_break(&zone, 8);
    assert_int_not_equal(atomic_load(&lock->word), 0);
    roster_break(&zone, 9);
    says(5, "one");
    uint64_t seen = roster_change(&zone, 6);
    put(5, "one", ROSTER_LOUD);
    assert_true(roster_change(&zone, 6) != seen);
    assert_int_equal(epoch(), 3);
    says(6, "two");
    assert_true(roster_audit(&zone, &used));
    assert_int_equal(used, 2);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    static const struct CMUnitTest tests[] = {
        TEST(identities_differ),  TEST(tallies_lie_beside_records), TEST(a_record_is_replaced),
        TEST(only_news_are_loud), TEST(who_comes_back_has_changed), TEST(sizes),
        TEST(many_records),       TEST(rows_are_used_again),        TEST(no_room_changes_nothing),
        TEST(an_owner_that_died),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
