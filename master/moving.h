/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dictionaries that change their size in a reload: their old zone and their new one are twins from
 * before the content moves until one of them is nobody's any more.
 */
#ifndef MASTER_MOVING_H
#define MASTER_MOVING_H

#include "master/master.h"

/* Finds the dictionaries of a generation that has just got its zones which the current one has in
 * another size, and makes both zones twins in the heritages of all generations that have one of
 * them. One that is still about its last change keeps its zone and its size. */
void moving_prepare(struct master *m, struct generation *g);
bool moving_is_needed(const struct generation *g);
/* Whether no zone has a twin any more. */
bool moving_is_over(const struct master *m);

/* Tells the processes of the generations before; whether all of them have heeded it. */
void moving_announce(struct master *m, const struct generation *g);
bool moving_is_known(const struct master *m);

/* Gives up: the dictionaries of `g` keep their zones and sizes. */
void moving_abandon(struct master *m, struct generation *g);

/* After a generation has gone: zones that nobody has but as a twin go too, and the processes are
 * told. */
void moving_part(struct master *m);

/* Whether a dictionary has kept a size that it should not have, and nothing is in the way of
 * another reload any more. */
bool moving_may_catch_up(const struct master *m);

#endif
