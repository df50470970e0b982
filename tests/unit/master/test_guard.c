/* SPDX-License-Identifier: Apache-2.0 */
/* Faults of a guarded step end the step and nothing else; outside of it they are what they were. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "master/guard.h"
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile int steps;
static volatile int *nowhere;

static void does_well(void *arg)
{
    *(int *)arg = 7;
}

static void follows_a_bad_pointer(void *arg)
{
    steps = 1;
    *nowhere = 1;
    (void)arg;
    steps = 2;
}

static void aborts(void *arg)
{
    (void)arg;
    abort();
}

static int deeper(volatile char *p)
{
    volatile char room[1024];
    room[0] = p[0];
    return p[0] == 2 ? 0 : deeper(room) + room[0];
}

static void overflows(void *arg)
{
    char c = 1;
    (void)arg;
    (void)deeper(&c);
}

static void a_step_that_is_well_is_just_run(void **state)
{
    int value = 0, sig = 99;

    (void)state;
    assert_true(guard_run(does_well, &value, &sig));
    assert_int_equal(value, 7);
    assert_int_equal(sig, 0);
}

static void a_fault_ends_the_step(void **state)
{
    int sig;

    (void)state;
    nowhere = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int i = 0; i < 3; i++) {
        assert_false(guard_run(follows_a_bad_pointer, NULL, &sig));
        assert_int_equal(sig, SIGSEGV);
        assert_int_equal(steps, 1);
        assert_false(guard_run(aborts, NULL, &sig));
        assert_int_equal(sig, SIGABRT);
    }
    assert_true(guard_run(does_well, &sig, NULL));
}

static void a_full_stack_ends_the_step(void **state)
{
    struct rlimit limit = { 1 << 20, 1 << 20 };
    int status = 0, sig;
    pid_t pid = fork();

    (void)state;
    if (pid == 0) {
        setrlimit(RLIMIT_STACK, &limit);
        _exit(!guard_run(overflows, NULL, &sig) && sig == SIGSEGV ? 7 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 7 << 8);
}

static void outside_the_guard_a_fault_kills(void **state)
{
    int status = 0;
    pid_t pid = fork();

    (void)state;
    if (pid == 0) {
        (void)guard_run(aborts, NULL, NULL);
        signal(SIGABRT, SIG_DFL);
        abort();
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
}

static void handlers_are_as_before(void **state)
{
    struct sigaction before, after;

    (void)state;
    sigaction(SIGSEGV, NULL, &before);
    (void)guard_run(aborts, NULL, NULL);
    sigaction(SIGSEGV, NULL, &after);
    assert_ptr_equal(before.sa_handler, after.sa_handler);
    assert_int_equal(before.sa_flags, after.sa_flags);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_step_that_is_well_is_just_run),
        cmocka_unit_test(a_fault_ends_the_step),
        cmocka_unit_test(a_full_stack_ends_the_step),
        cmocka_unit_test(outside_the_guard_a_fault_kills),
        cmocka_unit_test(handlers_are_as_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
