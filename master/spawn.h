/* SPDX-License-Identifier: Apache-2.0 */
/* The only place where a process is made. */
#ifndef MASTER_SPAWN_H
#define MASTER_SPAWN_H

#include "master/master.h"

/* Forks the child that the slot describes (generation, role, index). True: pid and channel are set.
 * False: it could not be done now; the reason is in errno, nothing has changed. */
bool spawn_child(struct master *m, int slot);

#endif
