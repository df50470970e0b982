/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Timers for tens of thousands of connections whose deadlines move with every request and almost
 * never expire. A wheel of ticks; moving a deadline further away is one store, the timer is looked
 * at again when its old tick comes by.
 */
#ifndef BASE_TIMER_H
#define BASE_TIMER_H

#include <stdbool.h>
#include <stdint.h>

enum { TIMER_TICK_MS = 32, TIMER_SLOTS = 2048 };

struct timer {
    struct timer *prev, *next; /* next NULL: not in the wheel */
    int64_t due;               /* ms, monotonic; 0: not set */
    int64_t tick;              /* where it is linked */
    void (*fire)(struct timer *t);
};

struct timers {
    int64_t tick; /* the last tick that was looked at */
    uint64_t used[TIMER_SLOTS / 64];
    struct timer slots[TIMER_SLOTS]; /* heads of rings */
};

void timer_init(struct timers *ts, int64_t now_ms);

/* Sets or moves the deadline. `fire` is called once, at or up to one tick after it, from
 * timer_run(). */
void timer_set(struct timers *ts, struct timer *t, int64_t due_ms, void (*fire)(struct timer *));

/* Takes the deadline away; the timer may stay in the wheel until its tick. */
static inline void timer_clear(struct timer *t)
{
    t->due = 0;
}

/* Takes it out of the wheel: before its memory goes away. */
void timer_drop(struct timers *ts, struct timer *t);

/* Fires what is due. */
void timer_run(struct timers *ts, int64_t now_ms);

/* Milliseconds until something may be due, at most `limit`. */
int timer_wait(const struct timers *ts, int64_t now_ms, int limit);

#endif
