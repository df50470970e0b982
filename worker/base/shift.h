/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A service that is being shifted: a share of its requests goes to another upstream, and grows step
 * by step as long as not too many of them fail. Who goes where and what to do next is decided here,
 * purely; the plan is an override of the service (worker/base/override.h), what is counted lies
 * beside its record (shm/roster.h), where all workers write and the control process reads.
 *
 * Counts belong to one step: each word has the step's mark above what is counted, so that an answer
 * to a request of an earlier step, however late, is counted in none.
 */
#ifndef BASE_SHIFT_H
#define BASE_SHIFT_H

#include "shm/roster.h"
#include "worker/base/override.h"

enum { SHIFT_WHOLE = 1000, SHIFT_LIMIT_WHOLE = 10000, SHIFT_LEAST = 20 };

struct shift_counts {
    uint64_t answered, failed;
};

/* Draws the next number of the service's sequence: of any SHIFT_WHOLE requests in a row, over all
 * workers, exactly `share` are to go to the other upstream, evenly among the rest. */
bool shift_draw(struct roster_tally *tally, uint32_t share);

/* Counts an answer, in the step with that mark alone. */
void shift_count(struct roster_tally *tally, uint32_t mark, bool failed);
/* False: another step is counted. */
bool shift_read(const struct roster_tally *tally, uint32_t mark, struct shift_counts *out);
/* Counting begins anew, in the step with that mark. Only the process that makes the steps. */
void shift_begin(struct roster_tally *tally, uint32_t mark);
/* The mark of a step that follows whatever was counted last: of all marks the least likely to be
 * found in an answer that is still to come. */
uint32_t shift_mark(const struct roster_tally *tally);

enum shift_verdict {
    SHIFT_STAY,   /* as it is */
    SHIFT_WAIT,   /* the step is over, but too few answers came to tell */
    SHIFT_STEP,   /* on to the next */
    SHIFT_FINISH, /* it went through the last one */
    SHIFT_UNDO    /* too many failed */
};

/* What to do about a running shift; `now`: seconds since 1970. */
enum shift_verdict shift_judge(const struct override *o, const struct shift_counts *counts,
                               int64_t now);

#endif
