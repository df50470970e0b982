/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is probed, and when: all targets of the configuration, each at its pace, as many of an
 * upstream at the same time as it allows. What probes see goes into the shared record. What others
 * change there (workers by passive checks, an operator by hand) is noticed in a sweep.
 */
#ifndef CHECKER_WATCH_H
#define CHECKER_WATCH_H

#include "worker/base/heritage.h"
#include "worker/base/loop.h"

struct watch;

/* NULL: no memory. `heritage` and `loop` outlive it. */
struct watch *watch_make(const struct heritage *heritage, struct loop *loop);
void watch_end(struct watch **watch);

/* Names the rows in use, so that they stay. Every few seconds at least. */
void watch_tell(struct watch *watch);

/* Looks whether states have changed or probes were asked for out of turn. A few times a second. */
void watch_sweep(struct watch *watch);

#endif
