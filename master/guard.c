/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one thing that the master does with foreign text is to read the configuration, through a
 * library that does not check its allocations: where memory runs out in the middle of a reload, it
 * follows a null pointer. The gateway that serves must survive that. So the fault is caught and the
 * stack unwound to where the step began; the step's memory is lost, which is the smaller loss.
 * Nothing else of the master runs under this guard.
 */
#include "master/guard.h"
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>

static const int guard_signals[] = { SIGSEGV, SIGBUS, SIGFPE, SIGABRT };

enum {
    GUARD_SIGNALS = sizeof guard_signals / sizeof guard_signals[0],
    GUARD_STACK = 32768,
};

static struct guard_context {
    sigjmp_buf back;
    volatile sig_atomic_t sig;
    struct sigaction before[GUARD_SIGNALS];
    char stack[GUARD_STACK]; /* for a fault that is a full stack */
} guard_self;

static void guard_caught(int sig)
{
    guard_self.sig = sig;
    siglongjmp(guard_self.back, 1);
}

static void guard_raise(void)
{
    struct sigaction action = { .sa_handler = guard_caught, .sa_flags = SA_ONSTACK };
    stack_t stack = { .ss_sp = guard_self.stack, .ss_size = sizeof guard_self.stack };

    (void)sigemptyset(&action.sa_mask);
    (void)sigaltstack(&stack, NULL);
    for (size_t i = 0; i < GUARD_SIGNALS; i++)
        (void)sigaction(guard_signals[i], &action, &guard_self.before[i]);
}

static void guard_lower(void)
{
    stack_t none = { .ss_flags = SS_DISABLE };

    for (size_t i = 0; i < GUARD_SIGNALS; i++)
        (void)sigaction(guard_signals[i], &guard_self.before[i], NULL);
    (void)sigaltstack(&none, NULL);
}

bool guard_run(void (*step)(void *arg), void *arg, int *sig)
{
    guard_self.sig = 0;
    guard_raise();
    if (sigsetjmp(guard_self.back, 1) == 0)
        step(arg);
    guard_lower();
    if (sig)
        *sig = (int)guard_self.sig;
    return guard_self.sig == 0;
}
