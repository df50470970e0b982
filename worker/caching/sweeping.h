/* SPDX-License-Identifier: Apache-2.0 */
/* What was purged, or has outlived its time, gives its memory back although nobody asks for it. */
#ifndef WORKER_SWEEPING_H
#define WORKER_SWEEPING_H

#include "worker/context.h"

/* A few buckets of each dictionary, when there is something to be found; one worker does it. Called
 * about once a second. */
void sweeping_step(struct worker *w);

#endif
