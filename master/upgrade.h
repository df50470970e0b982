/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A binary upgrade, the side of the master that hands over. It starts the new program with all that
 * it has, waits until that one serves, and then retires like an old generation; until then nothing
 * of it has changed, and whatever goes wrong ends the successor alone. Two masters rather than one
 * that executes the new program in its place: so there is always somebody who can go back. The
 * other side is heir.c.
 */
#ifndef MASTER_UPGRADE_H
#define MASTER_UPGRADE_H

#include "master/master.h"

/* Nothing is under way. */
void upgrade_clear(struct upgrade *u);

/* Asks for an upgrade to the program at `path` ("": the one that this master was started from);
 * `slot` -1: nobody waits for the result (a signal). */
void upgrade_ask(struct master *m, int slot, uint64_t id, const char *path);

/* Whether one is under way: no reload may begin. */
bool upgrade_busy(const struct master *m);
/* Whether there is something to hear on the link. */
bool upgrade_listens(const struct master *m);

/* Goes on with what is under way. To be called in each turn. */
void upgrade_turn(struct master *m);

/* When upgrade_turn() has to be called at the latest, ms; INT64_MAX: no matter when. */
int64_t upgrade_next(const struct master *m);

/* A process has ended that is no child of the board. */
void upgrade_reaped(struct master *m, pid_t pid, int status);

/* Gives up what is under way, because the gateway ends. */
void upgrade_cancel(struct master *m);

#endif
