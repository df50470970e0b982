/* SPDX-License-Identifier: Apache-2.0 */
/* Signals are read in turn by the master; children have them as the kernel gives them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "master/signals.h"
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int fd;

static int setup(void **state)
{
    (void)state;
    fd = signals_open();
    return fd < 0;
}

static void reads_what_was_sent(void **state)
{
    pid_t from = 0;

    (void)state;
    assert_int_equal(signals_next(fd, NULL), 0);
    assert_int_equal(kill(getpid(), SIGHUP), 0);
    assert_int_equal(kill(getpid(), SIGUSR2), 0);
    int a = signals_next(fd, &from), b = signals_next(fd, NULL);
    assert_int_equal(a + b, SIGHUP + SIGUSR2);
    assert_int_equal(from, getpid());
    assert_int_equal(signals_next(fd, NULL), 0);
}

static void sees_the_end_of_a_child(void **state)
{
    pid_t pid = fork();

    (void)state;
    if (pid == 0)
        _exit(0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(signals_next(fd, NULL), SIGCHLD);
}

/* In a child: sends itself `sig`, says by its exit status that it went on. */
static int fate(int sig)
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        signals_child();
        raise(sig);
        _exit(7);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void children_leave_group_signals_to_the_master(void **state)
{
    const int ignored[] = { SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGPIPE };

    (void)state;
    for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++)
        assert_int_equal(fate(ignored[i]), 7 << 8);
}

static void children_end_by_term(void **state)
{
    int status = fate(SIGTERM);

    (void)state;
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGTERM);
}

static void signals_have_names(void **state)
{
    char name[32];

    (void)state;
    assert_string_equal(signals_name(SIGSEGV, name, sizeof name), "SIGSEGV");
    assert_string_equal(signals_name(1000, name, sizeof name), "signal 1000");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_was_sent),
        cmocka_unit_test(sees_the_end_of_a_child),
        cmocka_unit_test(children_leave_group_signals_to_the_master),
        cmocka_unit_test(children_end_by_term),
        cmocka_unit_test(signals_have_names),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
