/* SPDX-License-Identifier: Apache-2.0 */
/* A step that may fault without taking the master along. */
#ifndef MASTER_GUARD_H
#define MASTER_GUARD_H

#include <stdbool.h>

/* Runs step(arg). False: it was cut short by a fatal signal (SIGSEGV, SIGBUS, SIGFPE, SIGABRT);
 * then what it had allocated or opened is lost, and *sig (may be NULL) names the signal. Not to be
 * nested. */
bool guard_run(void (*step)(void *arg), void *arg, int *sig);

#endif
