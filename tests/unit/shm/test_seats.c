/* SPDX-License-Identifier: Apache-2.0 */
/* Seats: over processes, over deaths, rows that change hands, a full bucket. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "shm/seats.c"

static struct zone zone;
static struct seats *one, *other;

static int setup(void **state)
{
    (void)state;
    return seats_make(&zone) && (one = seats_attach(&zone, 3)) && (other = seats_attach(&zone, 200))
               ? 0
               : -1;
}

static int teardown(void **state)
{
    (void)state;
    seats_detach(&one);
    seats_detach(&other);
    region_drop(&zone);
    return 0;
}

static void over_processes(void **state)
{
    (void)state;
    uint64_t key = seats_key(one, 7, "alice", 5);
    assert_true(key == seats_key(other, 7, "alice", 5));
    assert_true(key != seats_key(one, 8, "alice", 5) && key != seats_key(one, 7, "alic", 4));
    assert_int_equal(seats_taken(one, key), 0);
    uint32_t a = seats_take(one, key, 3), b = seats_take(other, key, 3),
             c = seats_take(one, key, 3);
    assert_true(a && b && c);
    assert_int_equal(seats_take(one, key, 3), 0);
    assert_int_equal(seats_take(other, key, 3), 0);
    assert_int_equal(seats_taken(other, key), 3);
    uint32_t more = seats_take(other, key, 4); /* another limit after a reload */
    assert_true(more);
    seats_give(other, more);
    seats_give(other, b);
    assert_int_equal(seats_take(other, key, 2), 0);
    assert_true(seats_take(other, key, 3));
    uint64_t else_s = seats_key(one, 7, "bob", 3);
    assert_true(seats_take(one, else_s, 1));
    assert_int_equal(seats_take(other, else_s, 1), 0);
}

static void over_deaths(void **state)
{
    (void)state;
    uint64_t key = seats_key(one, 7, "alice", 5);
    assert_true(seats_take(one, key, 3) && seats_take(other, key, 3) && seats_take(other, key, 3));
    seats_forget(&zone, 3);
    assert_int_equal(seats_taken(other, key), 2);
    assert_true(seats_take(other, key, 3));
    seats_forget(&zone, 200);
    seats_forget(&zone, 200); /* of several generations each says so */
    seats_forget(&zone, 77);
    assert_int_equal(seats_taken(one, key), 0);
    seats_detach(&one);
    one = seats_attach(&zone, 3);
    assert_true(seats_take(one, key, 1));
    assert_int_equal(seats_take(other, key, 1), 0);
}

/* A death that left a key marked, or the lock taken, is no loss. */
static void a_mark_is_taken_off(void **state)
{
    (void)state;
    uint64_t key = seats_key(one, 7, "alice", 5);
    uint32_t seat = seats_take(one, key, 2);
    struct seats_shm *shm = region_body(&zone);
    shm->keys[seat - 1] |= MARK;
    struct lock_shm *lock = &shm->locks[row_at(key, 0) / SEATS_BUCKET % SEATS_LOCKS].lock;
    (void)lock_take(lock, 200);
    seats_forget(&zone, 200);
    assert_int_equal(seats_take(one, key, 2), seat);
    assert_int_equal(seats_take(one, key, 2), 0);
    assert_true(shm->keys[seat - 1] == key);
}

/* Keys of one bucket: all of its rows are used, and go to others when nobody is in them. */
static void rows_change_hands(void **state)
{
    (void)state;
    uint32_t seats[SEATS_BUCKET];
    for (uint32_t i = 0; i < SEATS_BUCKET; i++) {
        seats[i] = seats_take(i % 2 ? one : other, (uint64_t)(i + 1) << 1, 1);
        assert_true(seats[i]);
    }
    uint64_t late = UINT64_C(1000) << 1;
    assert_int_equal(seats_take(one, late, 1), 0); /* no row */
    seats_give(one, seats[5]);
    assert_int_equal(seats_take(other, late, 1), seats[5]);
    assert_int_equal(seats_take(one, late, 1), 0);
    assert_int_equal(seats_take(one, 6 << 1, 1), 0);
    for (uint32_t i = 0; i < SEATS_BUCKET; i++)
        assert_int_equal(seats_taken(one, (uint64_t)(i + 1) << 1), i != 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(over_processes, setup, teardown),
        cmocka_unit_test_setup_teardown(over_deaths, setup, teardown),
        cmocka_unit_test_setup_teardown(a_mark_is_taken_off, setup, teardown),
        cmocka_unit_test_setup_teardown(rows_change_hands, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
