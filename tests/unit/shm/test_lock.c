/* SPDX-License-Identifier: Apache-2.0 */
/* The words of the lock: owner, sleepers, suspicion. Processes that die with it:
 * tests/proc/hammer_lock.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "shm/lock.h"
#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static void test_owner_is_named(void **state)
{
    struct lock_shm lock = { 0 };
    enum lock_state got = LOCK_SUSPECT;
    (void)state;
    assert_int_equal(lock_take(&lock, 4), LOCK_SOUND);
    assert_int_equal(lock.word, 5);
    assert_false(lock_try(&lock, 2, &got));
    lock_give(&lock, 4);
    assert_int_equal(lock.word, 0);
    assert_true(lock_try(&lock, 2, &got));
    assert_int_equal(got, LOCK_SOUND);
    assert_int_equal(lock.word, 3);
    lock_give(&lock, 2);
}

static void test_break_marks_suspect(void **state)
{
    struct lock_shm lock = { 0 };
    enum lock_state got;
    (void)state;
    lock_take(&lock, 4);
    assert_false(lock_break(&lock, 3)); /* not the owner */
    assert_int_equal(lock.word, 5);
    assert_true(lock_break(&lock, 4));
    assert_int_equal(lock.word, 0);
    assert_int_equal(lock_take(&lock, 1), LOCK_SUSPECT);
    lock_give(&lock, 1); /* without having repaired */
    assert_true(lock_try(&lock, 1, &got));
    assert_int_equal(got, LOCK_SUSPECT);
    lock_sound(&lock);
    lock_give(&lock, 1);
    assert_int_equal(lock_take(&lock, 1), LOCK_SOUND);
    lock_give(&lock, 1);
    assert_false(lock_break(&lock, 1)); /* a free one is nobody's */
    assert_int_equal(lock_take(&lock, 1), LOCK_SOUND);
}

static struct lock_shm *shared(void)
{
    void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(p, MAP_FAILED);
    return p;
}

static pid_t taker(struct lock_shm *lock, uint32_t slot, enum lock_state expected)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        enum lock_state got = lock_take(lock, slot);
        if (got == LOCK_SUSPECT)
            lock_sound(lock);
        lock_give(lock, slot);
        _exit(got == expected ? 0 : 1);
    }
    return pid;
}

static void expect_success(pid_t pid)
{
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void wait_for_sleeper(const struct lock_shm *lock)
{
    while (!(lock->word & 0x80000000u))
        sched_yield();
}

static void test_sleeper_is_woken(void **state)
{
    struct lock_shm *lock = shared();
    (void)state;
    lock_take(lock, 1);
    pid_t a = taker(lock, 2, LOCK_SOUND), b = taker(lock, 3, LOCK_SOUND);
    wait_for_sleeper(lock);
    lock_give(lock, 1);
    expect_success(a);
    expect_success(b);
    assert_int_equal(lock->word & 0x7fffffff, 0);
    munmap(lock, 4096);
}

static void test_sleeper_inherits_from_the_dead(void **state)
{
    struct lock_shm *lock = shared();
    (void)state;
    lock_take(lock, 1);
    pid_t a = taker(lock, 2, LOCK_SUSPECT);
    wait_for_sleeper(lock);
    assert_true(lock_break(lock, 1));
    expect_success(a);
    assert_int_equal(lock_take(lock, 1), LOCK_SOUND);
    munmap(lock, 4096);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_owner_is_named),
        cmocka_unit_test(test_break_marks_suspect),
        cmocka_unit_test(test_sleeper_is_woken),
        cmocka_unit_test(test_sleeper_inherits_from_the_dead),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
