/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes that add to two counters under one lock, in plain memory, and are killed at any moment.
 * The two are equal unless somebody died in between; then the next owner is told, repairs, and says
 * so. Nobody ever waits for a dead owner, or for a waiter that died when it was its turn.
 * HAMMER_SECONDS sets how long (4).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "shm/lock.h"
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { CHILDREN = 6, WRONG = 42, MICRO = 1000, PER_SECOND = 1000000000 };

static const int64_t longest = 60; /* s */

struct arena {
    struct lock_shm lock;
    uint64_t one, two; /* plain: only the lock keeps them right */
    uint64_t repairs;
    _Atomic uint64_t turns[CHILDREN];
    _Atomic uint32_t stop;
};

static struct arena *arena;

static _Noreturn void child(uint32_t slot)
{
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

static pid_t start(uint32_t slot)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        child(slot);
    return pid;
}

static int64_t clock_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * PER_SECOND + t.tv_nsec;
}

static int64_t seconds(void)
{
    const char *value = getenv("HAMMER_SECONDS");
    return value && *value ? strtoll(value, NULL, 10) : 4;
}

/* Long enough, and enough seen, however slow the machine; but not for ever. */
static bool enough(int64_t since, uint32_t broken)
{
    int64_t passed = clock_ns() - since;
    bool all = broken >= 3;
    for (int i = 0; i < CHILDREN; i++)
        all &= atomic_load(&arena->turns[i]) > 0;
    return passed > (all ? seconds() * PER_SECOND / 2 : longest * PER_SECOND);
}

static void test_owners_die(void **state)
{
    pid_t pids[CHILDREN];
    uint32_t dice = 1, broken = 0, kills = 0;
    (void)state;
    for (uint32_t i = 0; i < CHILDREN; i++)
        pids[i] = start(i);
    for (int64_t since = clock_ns(); !enough(since, broken); kills++) {
        dice = dice * 1664525u + 1013904223u;
        const struct timespec pause = { .tv_nsec = 1 + (long)(dice >> 20) * MICRO };
        uint32_t i = (dice >> 8) % CHILDREN;
        int status;
        nanosleep(&pause, NULL);
        assert_int_equal(kill(pids[i], SIGKILL), 0);
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_true(WIFSIGNALED(status)); /* else it had seen something wrong */
        broken += lock_break(&arena->lock, i);
        pids[i] = start(i);
    }
    atomic_store(&arena->stop, 1);
    for (uint32_t i = 0; i < CHILDREN; i++) {
        int status;
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        assert_true(atomic_load(&arena->turns[i]) > 0);
    }
    print_message("# %u killed, %u as owner, %lu repaired, %lu turns\n", kills, broken,
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
