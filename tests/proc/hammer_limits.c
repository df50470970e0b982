/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes that claim under the same keys, and are killed at any moment: what was granted is never
 * more than the limit, and never less by more than a claim for each death. Keys come and go, so
 * that counters are made while others count. HAMMER_SECONDS sets how long (3).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "shm/limits.h"
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { CHILDREN = 4, KEYS = 4096, LIMIT = 1000, LATER = 700 };

static const int64_t first = INT64_C(1800000000) * 1000;

struct arena {
    _Atomic uint32_t granted[KEYS];
    _Atomic uint32_t base; /* keys base..base+3 are asked for now */
    _Atomic uint32_t stop;
};

static struct arena *arena;
static struct zone zone;

static _Noreturn void child(uint32_t slot)
{
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
        if (limits_take(l, c, n, first))
            atomic_fetch_add(&arena->granted[number], 1);
    }
    _exit(l ? 0 : 1);
}

static pid_t start(uint32_t slot)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        child(slot);
    return pid;
}

static int64_t ms_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
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

static void nobody_gets_one_too_many(void **state)
{
    const char *seconds = getenv("HAMMER_SECONDS");
    int64_t until = ms_now() + (seconds ? atoi(seconds) : 3) * 1000;
    uint32_t deaths[KEYS] = { 0 }, kills = 0, dice = 1, base = 0;
    pid_t pids[CHILDREN];

    (void)state;
    assert_true(limits_make(&zone, 1 << 20));
    arena = mmap(NULL, sizeof *arena, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(arena, MAP_FAILED);
    for (uint32_t i = 0; i < CHILDREN; i++)
        pids[i] = start(i);
    while (ms_now() < until && base + 8 < KEYS) {
        dice = dice * 1664525 + 1013904223;
        usleep(dice >> 21);
        uint32_t victim = dice >> 8 & (CHILDREN - 1);
        assert_int_equal(kill(pids[victim], SIGKILL), 0);
        assert_int_equal(waitpid(pids[victim], NULL, 0), pids[victim]);
        limits_break(&zone, victim);
        for (uint32_t k = 0; k < 4; k++)
            deaths[base + k]++;
        kills++;
        if (used_up(base)) {
            base += 4;
            for (uint32_t k = 0; k < 4; k++)
                deaths[base + k]++; /* that one may die here, too, before it looks again */
            atomic_store(&arena->base, base);
        }
        pids[victim] = start(victim);
    }
    atomic_store(&arena->stop, 1);
    for (int i = 0; i < CHILDREN; i++) {
        int status;
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_int_equal(status, 0);
    }
    for (uint32_t number = 0; number < base; number++) {
        uint32_t limit = number % 2 ? LIMIT : LATER;
        assert_true(arena->granted[number] <= limit);
        assert_true(arena->granted[number] + deaths[number] >= limit);
    }
    print_message("%u keys used up, %u kills\n", base, kills);
    assert_true(base >= 4 && kills >= 10);
    region_drop(&zone);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(nobody_gets_one_too_many) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
