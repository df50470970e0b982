/* SPDX-License-Identifier: Apache-2.0 */
/* A new generation or nothing: read and check the file, fork everything that it asks for, then let
 * the old one go. */
#ifndef MASTER_RELOAD_H
#define MASTER_RELOAD_H

#include "master/master.h"

/* Asks for a reload; `slot` -1: nobody waits for the result (a signal). One that is under way has
 * read the file already, so another one follows it. */
void reload_ask(struct master *m, int slot, uint64_t id);

/* Starts the first generation. False: *refusal says why. */
bool reload_first(struct master *m, const struct conf *conf, struct refusal *refusal);

/* Goes on with what is under way, or starts what was asked for. To be called in each turn. */
void reload_turn(struct master *m);

/* When reload_turn() has to be called at the latest, ms; INT64_MAX: no matter when. */
int64_t reload_next(const struct master *m);

/* Gives up what is under way; who waits for it is told `why`. */
void reload_cancel(struct master *m, const char *why);

/* The generation ends when its processes have finished what they have. */
void reload_retire(struct master *m, struct generation *old);

#endif
