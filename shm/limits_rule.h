/* SPDX-License-Identifier: Apache-2.0 */
/* What a limit's counts mean: whether a claim fits, and what is told about it. Pure; the same for
 * counters in shared memory and for those that a Redis keeps. */
#ifndef SHM_LIMITS_RULE_H
#define SHM_LIMITS_RULE_H

#include "shm/limits.h"

enum { LIMITS_SKEW_MS = 2000 }; /* by so much may the clocks of two processes differ */

/* Whether the claim fits into window `w`, of which `used` is counted and `before` was in the window
 * before it (0 unless LIMITS_SLIDING). Fills in what came of it; `dry`: nothing is taken. */
bool limits_rule_window(struct limits_claim *claim, const struct calendar_window *w, uint32_t used,
                        uint32_t before, int64_t now, bool dry);

/* us for one token of a bucket, > 0, and for all that it holds. */
uint64_t limits_rule_each(const struct limits_claim *claim, int64_t now);
uint64_t limits_rule_depth(const struct limits_claim *claim, uint64_t each);
/* The same for a bucket whose tokens are all back at `word` (us since 1970). `*next`: what the word
 * is with the claim; `*owed`: what it should be without. */
bool limits_rule_bucket(struct limits_claim *claim, uint64_t word, int64_t now, bool dry,
                        uint64_t *next, uint64_t *owed);

#endif
