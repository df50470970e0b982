/* SPDX-License-Identifier: Apache-2.0 */
/* Children while they live: started, told to go, reaped, replaced. */
#ifndef MASTER_SUPERVISE_H
#define MASTER_SUPERVISE_H

#include "master/master.h"

/* Gives every process of the generation a slot; they are forked by supervise_start(). False: the
 * board is full. */
bool supervise_populate(struct master *m, struct generation *g, struct refusal *refusal);

/* One process more, of a kind that there is none of otherwise. False: the board is full. */
bool supervise_add(struct master *m, struct generation *g, enum heritage_role role);
/* Whether the generation has any process, or waits to start one. */
bool supervise_has(const struct master *m, const struct generation *g);

/* Forks what is due; what cannot be forked now is due again later. */
void supervise_start(struct master *m);

/* The child has said that it can serve; one that took another's place is told of, with how long
 * that place was empty. Workers of the generation in force are told to accept. */
void supervise_serves(struct child *c);

/* The generation came into force: its workers accept from now on. */
void supervise_let_serve(struct master *m, const struct generation *g);

/* Buries all children that have ended: repairs what they held, says why they ended, plans their
 * replacements. */
void supervise_reap(struct master *m);

/* When supervise_start() has something to do next, ms; INT64_MAX: nothing. */
int64_t supervise_next(const struct master *m);

/* Tells every child of the generation (NULL: of all) that lives; those that do not live are not
 * started any more if the generation does not go on. */
void supervise_tell(struct master *m, const struct generation *g, enum channel_op op);
void supervise_signal(struct master *m, const struct generation *g, int sig);
/* Gives back the slots of children that wait for their start, for a generation (NULL: all) that
 * does not go on. */
void supervise_forget(struct master *m, const struct generation *g);

/* True when every child of the generation has said that it serves. */
bool supervise_ready(const struct master *m, const struct generation *g);
/* True when every worker of the generation has said that it accepts no more, or has ended. */
bool supervise_retired(const struct master *m, const struct generation *g);
unsigned supervise_alive(const struct master *m, const struct generation *g);

#endif
