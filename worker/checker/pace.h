/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When a target is probed, pure. Probes of many targets are spread over the interval by a hash of
 * who they are, and go on in the rhythm that they had, whoever sends them: a reload, a new checker
 * or a long pause never makes them all due at once.
 */
#ifndef CHECKER_PACE_H
#define CHECKER_PACE_H

#include <stdbool.h>
#include <stdint.h>

/* The first turn in this process. `probed`: when the last probe began, by whomever; 0: never. All
 * in ms on the same clock; interval > 0. Not before now, less than an interval ahead. */
int64_t pace_first(uint64_t identity, int64_t interval, int64_t probed, int64_t now);
/* The turn after a probe that began at `began`. */
int64_t pace_next(int64_t interval, int64_t began, int64_t now);
/* A turn that was due at `due` and comes now: whether the process stood still meanwhile, so that
 * others' turns come now as well. It takes a turn by pace_first() then. */
bool pace_is_late(int64_t interval, int64_t due, int64_t now);

#endif
