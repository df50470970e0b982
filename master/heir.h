/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A binary upgrade, the side of the master that takes over: what it inherits, and when it may act
 * as the one master. The other side is upgrade.c.
 */
#ifndef MASTER_HEIR_H
#define MASTER_HEIR_H

#include "master/master.h"

/* There is nobody before. */
void heir_clear(struct heir *heir);

/* Takes what another master hands over, if one does (heir_is_one() says so afterwards): its sockets
 * and zones become a generation that the first one here is made from; its slots are kept free.
 * False: *refusal says why not. */
bool heir_begin(struct master *m, struct refusal *refusal);
bool heir_is_one(const struct master *m);

/* The new generation serves: whether it may replace the old master's. Asks for it the first time;
 * true at once where nobody was before. */
bool heir_may_commit(struct master *m);
/* Whether it has asked, so that there is no way back but by the other's hand. */
bool heir_has_asked(const struct master *m);
/* It replaces it: the pid file names this process, the other master is told; `text` is for those
 * who asked for the upgrade. Nothing happens where nobody was before. */
void heir_take_over(struct master *m, const char *text);
/* It has replaced it: what is left of the legacy can go. */
void heir_settle(struct master *m);
/* It cannot: the other master goes on. */
void heir_decline(struct master *m, const char *why);

/* Listens to the other master, and cleans up after it. To be called in each turn. */
void heir_turn(struct master *m);
/* When heir_turn() has to be called at the latest, ms; INT64_MAX: no matter when. */
int64_t heir_next(const struct master *m);

/* Tells the one before, while it still has processes: SIGUSR1, or SIGTERM to end at once. */
void heir_signal(const struct master *m, int sig);

#endif
