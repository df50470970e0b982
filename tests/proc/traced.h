/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Death between any two instructions: a child goes one way, traced, and is killed after so and so
 * many instructions of it, at places spread evenly over the whole way. After each death the test
 * looks at what is left. Skips the test where ptrace is not allowed.
 */
#ifndef TESTS_TRACED_H
#define TESTS_TRACED_H

#include "tests/proc/children.h"
#include <sys/ptrace.h>

enum { TRACED_STEPS = 10000000 /* no way is as long */, TRACED_REFUSED = 77 };

struct traced {
    int deaths;          /* how many */
    void (*way)(void);   /* in the child; it may end early by _exit() with its complaint */
    void (*check)(void); /* after each death, and each time that the way was gone to its end */
};

/* How many instructions it made; fewer than `steps`: it came to its end. -1: no ptrace here. */
static inline long traced_die(const struct traced *t, long steps)
{
    int status;
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
            _exit(TRACED_REFUSED);
        raise(SIGSTOP);
        t->way();
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == TRACED_REFUSED)
        return -1;
    for (long i = 0; i < steps; i++) {
        assert_int_equal(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (WIFEXITED(status)) {
            assert_int_equal(WEXITSTATUS(status), 0);
            return i;
        }
    }
    kill(pid, SIGKILL);
    assert_true(children_reap(pid));
    return steps;
}

/* Returns how long the way is. Its length varies a little (locks, clocks, sanitizers), so that the
 * last ones may come to its end. */
static inline long traced_deaths(const struct traced *t)
{
    long whole = 0, ended = 0;
    for (int i = 0; i < 2; i++) { /* the first time may differ from all later ones */
        whole = traced_die(t, TRACED_STEPS);
        if (whole < 0) {
            print_message("# no ptrace here\n");
            skip();
        }
        assert_true(whole < TRACED_STEPS);
        t->check();
    }
    for (long i = 0; i < t->deaths; i++) {
        long steps = whole * i / t->deaths;
        ended += traced_die(t, steps) < steps;
        t->check();
    }
    assert_true(ended < t->deaths / 2);
    return whole;
}

#endif
