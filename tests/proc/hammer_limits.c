/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes that claim under the same keys, and are killed at any moment: what was granted is never
 * more than the limit, and never less by more than a claim for each who died while it claimed
 * there. Keys come and go, so that counters are made while others count. HAMMER_SECONDS sets how
 * long (3).
 */
#include "shm/limits.h"
#include "tests/proc/children.h"
#include <stdatomic.h>
#include <sys/mman.h>

enum { CHILDREN = 4, KEYS = 4096, LIMIT = 1000, LATER = 700 };

static const int64_t first = INT64_C(1800000000) * 1000;

struct arena {
    _Atomic uint32_t granted[KEYS];
    _Atomic uint32_t base;         /* keys base..base+3 are asked for now */
    _Atomic uint32_t at[CHILDREN]; /* 1 + the number that each claims; 0: none now */
    _Atomic uint32_t stop;
};

static struct arena *arena;
static struct zone zone;

static void live(void *arg, uint32_t slot, uint32_t kills)
{
    (void)arg;
    (void)kills;
    struct limits *l = limits_attach(&zone, slot);
    uint32_t turn = slot;
    while (l && !atomic_load(&arena->stop)) {
        uint32_t number = atomic_load(&arena->base) + turn++ % 4;
        struct limits_claim c[2] = {
            { .key = limits_key(l, 0, &number, sizeof number),
              .unit = CALENDAR_DAY,
              .limit = LIMIT,
              .cost = 1 },
            { .key = limits_key(l, 1, &number, sizeof number),
              .unit = CALENDAR_YEAR,
              .limit = LATER,
              .cost = 1 },
        };
        int n = number % 2 ? 1 : 2;
        atomic_store(&arena->at[slot], number + 1);
        if (limits_take(l, c, n, first))
            atomic_fetch_add(&arena->granted[number], 1);
        atomic_store(&arena->at[slot], 0);
    }
    _exit(l ? 0 : 1);
}

static bool used_up(uint32_t base)
{
    struct limits *l = limits_attach(&zone, CHILDREN);
    bool all = true;
    for (uint32_t number = base; number < base + 4; number++) {
        struct limits_claim c = { .key = limits_key(l, number % 2 ? 0 : 1, &number, sizeof number),
                                  .unit = number % 2 ? CALENDAR_DAY : CALENDAR_YEAR,
                                  .limit = number % 2 ? LIMIT : LATER,
                                  .cost = 0 };
        (void)limits_take(l, &c, 1, first); /* costs nothing: only looks */
        all = all && c.left == 0;
    }
    limits_detach(&l);
    return all;
}

static uint32_t base, deaths[KEYS];

/* The dead may have been behind: where it claimed is not always where the others claim now. */
static void bury(void *arg, uint32_t slot)
{
    uint32_t at = atomic_exchange(&arena->at[slot], 0);
    (void)arg;
    limits_break(&zone, slot);
    if (at)
        deaths[at - 1]++;
    if (!used_up(base) || base + 8 >= KEYS)
        return;
    base += 4;
    atomic_store(&arena->base, base);
}

static bool enough(void *of)
{
    return ((const struct children *)of)->kills >= 10 && base >= 4;
}

static void nobody_gets_one_too_many(void **state)
{
    struct children c = { .n = CHILDREN, .live = live, .bury = bury };
    struct children_hunt hunt = { .dice = children_seed(),
                                  .pause = 2048,
                                  .ms = children_seconds(3),
                                  .enough = enough,
                                  .of = &c };
    (void)state;
    assert_true(limits_make(&zone, 4 << 20));
    arena = mmap(NULL, sizeof *arena, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(arena, MAP_FAILED);
    children_begin(&c);
    children_hunt(&c, &hunt);
    atomic_store(&arena->stop, 1);
    children_end(&c);
    for (uint32_t number = 0; number < base; number++) {
        uint32_t limit = number % 2 ? LIMIT : LATER;
        assert_true(arena->granted[number] <= limit);
        assert_true(arena->granted[number] + deaths[number] >= limit);
    }
    print_message("# %u keys used up, %u kills\n", base, c.kills);
    assert_true(enough(&c));
    region_drop(&zone);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(nobody_gets_one_too_many) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
