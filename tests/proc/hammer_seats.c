/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes that take and give back seats under the same keys, and are killed at any moment: there
 * are never more holders than seats, and in the end not one seat is lost. Keys of one bucket come
 * and go beside them, so that rows change hands all the time. HAMMER_SECONDS sets how long (3).
 */
#include "shm/seats.h"
#include "tests/proc/children.h"
#include <stdatomic.h>
#include <sys/mman.h>

enum { CHILDREN = 6, HOT = 3, LIMIT = 4, PASSING = 200, SEATS_HELD = 3 };

/* Who holds how many under a key, in a byte for each child: one word, so that what it says was true
 * at one moment. */
struct arena {
    _Atomic uint64_t holders[HOT];
    _Atomic uint64_t granted, refused, full;
    _Atomic uint32_t stop;
};

static struct arena *arena;
static struct zone zone;

/* All in one bucket: they differ in bits that do not choose it. */
static uint64_t key_of(uint32_t number)
{
    return (uint64_t)(number + 1) << 8;
}

static uint32_t sum_of(uint64_t bytes)
{
    uint32_t sum = 0;
    for (; bytes; bytes >>= 8)
        sum += bytes & 255;
    return sum;
}

static void leave(struct seats *s, uint32_t slot, uint32_t hot, uint32_t *seat)
{
    if (!*seat)
        return;
    atomic_fetch_sub(&arena->holders[hot], UINT64_C(1) << (8 * slot)); /* first, then it is free */
    seats_give(s, *seat);
    *seat = 0;
}

static void enter(struct seats *s, uint32_t slot, uint32_t hot, uint32_t *seat)
{
    uint64_t mine = UINT64_C(1) << (8 * slot);

    *seat = seats_take(s, key_of(hot), LIMIT);
    if (!*seat) {
        atomic_fetch_add(&arena->refused, 1);
        return;
    }
    uint32_t now = sum_of(atomic_fetch_add(&arena->holders[hot], mine) + mine);
    if (now > LIMIT)
        _exit(1);
    atomic_fetch_add(&arena->granted, 1);
    atomic_fetch_add(&arena->full, now == LIMIT);
}

static void live(void *arg, uint32_t slot, uint32_t kills)
{
    struct seats *s = seats_attach(&zone, slot);
    uint32_t held[HOT][SEATS_HELD] = { 0 };
    uint64_t dice = ((const struct children_hunt *)arg)->dice + slot * 7919 + kills;

    while (s && !atomic_load(&arena->stop)) {
        uint32_t hot = children_roll(&dice, HOT);
        uint32_t *seat = &held[hot][children_roll(&dice, SEATS_HELD)];
        uint32_t passing = seats_take(s, key_of(HOT + children_roll(&dice, PASSING)), 2);
        if (*seat)
            leave(s, slot, hot, seat);
        else
            enter(s, slot, hot, seat);
        if (passing)
            seats_give(s, passing);
    }
    for (uint32_t hot = 0; s && hot < HOT; hot++)
        for (uint32_t i = 0; i < SEATS_HELD; i++)
            leave(s, slot, hot, &held[hot][i]);
    _exit(s ? 0 : 1);
}

static void bury(void *arg, uint32_t slot)
{
    (void)arg;
    for (uint32_t hot = 0; hot < HOT; hot++)
        atomic_fetch_and(&arena->holders[hot], ~(UINT64_C(255) << (8 * slot)));
    seats_forget(&zone, slot);
}

/* At least so many deaths, however slow the machine is. */
static bool enough(void *of)
{
    return ((const struct children *)of)->kills >= 50 && atomic_load(&arena->granted) >= 1000 &&
           arena->refused > 0 && arena->full > 0;
}

static void nobody_holds_one_too_many_and_none_is_lost(void **state)
{
    struct children_hunt hunt = {
        .dice = children_seed(), .pause = 4096, .ms = children_seconds(3), .enough = enough
    };
    struct children c = { .n = CHILDREN, .live = live, .bury = bury, .arg = &hunt };

    (void)state;
    hunt.of = &c;
    assert_true(seats_make(&zone));
    arena = mmap(NULL, sizeof *arena, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(arena, MAP_FAILED);
    children_begin(&c);
    children_hunt(&c, &hunt);
    atomic_store(&arena->stop, 1);
    children_end(&c);
    struct seats *s = seats_attach(&zone, CHILDREN);
    for (uint32_t number = 0; number < HOT + PASSING; number++)
        assert_int_equal(seats_taken(s, key_of(number)), 0);
    for (uint32_t hot = 0; hot < HOT; hot++) {
        for (int i = 0; i < LIMIT; i++)
            assert_true(seats_take(s, key_of(hot), LIMIT) > 0);
        assert_int_equal(seats_take(s, key_of(hot), LIMIT), 0);
    }
    print_message("%llu granted, %llu refused, all seats taken %llu times, %u kills\n",
                  (unsigned long long)arena->granted, (unsigned long long)arena->refused,
                  (unsigned long long)arena->full, c.kills);
    assert_true(arena->refused > 0 && arena->full > 0);
    seats_detach(&s);
    region_drop(&zone);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(
        nobody_holds_one_too_many_and_none_is_lost) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
