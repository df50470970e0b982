/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes that add to two counters under one lock, in plain memory, and are killed at any moment.
 * The two are equal unless somebody died in between; then the next owner is told, repairs, and says
 * so. Nobody ever waits for a dead owner, or for a waiter that died when it was its turn.
 * HAMMER_SECONDS sets how long (4).
 */
#include "shm/lock.h"
#include "tests/proc/children.h"
#include <sys/mman.h>

enum { CHILDREN = 6, WRONG = 42 };

struct arena {
    struct lock_shm lock;
    uint64_t one, two; /* plain: only the lock keeps them right */
    uint64_t repairs;
    _Atomic uint64_t turns[CHILDREN];
    _Atomic uint32_t stop;
};

static struct arena *arena;

static void live(void *arg, uint32_t slot, uint32_t kills)
{
    (void)arg;
    (void)kills;
    while (!atomic_load(&arena->stop)) {
        if (lock_take(&arena->lock, slot) == LOCK_SUSPECT) {
            arena->one = arena->two = arena->one > arena->two ? arena->one : arena->two;
            arena->repairs++;
            lock_sound(&arena->lock);
        }
        if (arena->one != arena->two)
            _exit(WRONG);
        *(volatile uint64_t *)&arena->one += 1;
        for (volatile int i = 0; i < 200; i++)
            ;
        *(volatile uint64_t *)&arena->two += 1;
        lock_give(&arena->lock, slot);
        atomic_fetch_add(&arena->turns[slot], 1);
    }
    _exit(0);
}

static void bury(void *arg, uint32_t slot)
{
    *(uint32_t *)arg += lock_break(&arena->lock, slot);
}

static bool enough(void *of)
{
    bool all = *(const uint32_t *)of >= 3 && *(volatile uint64_t *)&arena->repairs > 0;
    for (int i = 0; i < CHILDREN; i++)
        all &= atomic_load(&arena->turns[i]) > 0;
    return all;
}

static void test_owners_die(void **state)
{
    uint32_t broken = 0;
    struct children c = { .n = CHILDREN, .live = live, .bury = bury, .arg = &broken };
    struct children_hunt hunt = { .dice = children_seed(),
                                  .pause = 4096,
                                  .ms = children_seconds(4) / 2,
                                  .enough = enough,
                                  .of = &broken };
    (void)state;
    children_begin(&c);
    children_hunt(&c, &hunt);
    atomic_store(&arena->stop, 1);
    children_end(&c);
    for (uint32_t i = 0; i < CHILDREN; i++)
        assert_true(atomic_load(&arena->turns[i]) > 0);
    print_message("# %u killed, %u as owner, %lu repaired, %lu turns\n", c.kills, broken,
                  (unsigned long)arena->repairs, (unsigned long)arena->one);
    assert_true(broken > 0 && arena->repairs > 0 && arena->repairs <= broken);
    assert_int_equal(arena->lock.word, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_owners_die) };
    arena = mmap(NULL, sizeof *arena, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return arena == MAP_FAILED ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
