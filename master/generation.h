/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a generation: made completely or not at all, freed when its last process is gone. */
#ifndef MASTER_GENERATION_H
#define MASTER_GENERATION_H

#include "master/master.h"

/* Everything that `conf` asks for, but no process yet: user, files, zones, listening sockets;
 * linked into the master as STARTING. Takes over `conf` in any case. NULL: *refusal says why, and
 * nothing has changed. */
struct generation *generation_make(struct master *m, const struct conf *conf,
                                   struct refusal *refusal);

/* Frees what no process uses any more: generations without children that are RETIRING, with the
 * zones that no other one shares. */
void generation_collect(struct master *m);

/* Frees all of it, whatever its state; for the end of the master. */
void generation_free_all(struct master *m);

#endif
