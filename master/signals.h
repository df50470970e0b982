/* SPDX-License-Identifier: Apache-2.0 */
/* Signals as something to read: the master handles none of them in a handler. */
#ifndef MASTER_SIGNALS_H
#define MASTER_SIGNALS_H

#include <stdbool.h>
#include <sys/types.h>

/* Blocks what the master listens to and returns a descriptor to poll, or -1. SIGPIPE is ignored
 * from then on. */
int signals_open(void);

/* The next signal, or 0 when there is none. *from (may be NULL): who sent it, 0 = the kernel. */
int signals_next(int fd, pid_t *from);

/* In a child, after fork: what a terminal or an operator sends to the whole group is the master's
 * business and ignored; SIGTERM ends the process; all else is as the kernel has it. Nothing is
 * blocked any more. */
void signals_child(void);

/* "SIGHUP"; "signal 70" for one without a name. */
const char *signals_name(int sig, char *out, unsigned long size);

#endif
