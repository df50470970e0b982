/* SPDX-License-Identifier: Apache-2.0 */
/* The only place where a process is made. */
#ifndef MASTER_SPAWN_H
#define MASTER_SPAWN_H

#include "master/handover.h"

/* Forks the child that the slot describes (generation, role, index). True: pid and channel are set.
 * False: it could not be done now; the reason is in errno, nothing has changed. */
bool spawn_child(struct master *m, int slot);

/* Forks and executes the master that is to take over: the program at `path`, called as this one
 * was, in a process group of its own, with all that *h names. What keeps it from starting is said
 * over the link. Returns its pid, or -1 (errno). */
pid_t spawn_successor(struct master *m, const char *path, const struct handover *h);

#endif
