/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One level of slots, 65 s around. A deadline further out is parked in the furthest slot and linked
 * again when that comes by; so is one that was moved away meanwhile. A bitmap of used slots says
 * how long the loop may sleep.
 */
#include "worker/base/timer.h"

#include <stddef.h>
#include <string.h>

static unsigned slot_of(int64_t tick)
{
    return (unsigned)((uint64_t)tick % TIMER_SLOTS);
}

static void unlink_timer(struct timers *ts, struct timer *t)
{
    unsigned slot = slot_of(t->tick);

    t->prev->next = t->next;
    t->next->prev = t->prev;
    t->next = t->prev = NULL;
    if (ts->slots[slot].next == &ts->slots[slot])
        ts->used[slot / 64] &= ~(1ull << (slot % 64));
}

static void link_timer(struct timers *ts, struct timer *t)
{
    int64_t tick = (t->due + TIMER_TICK_MS - 1) / TIMER_TICK_MS;

    if (tick <= ts->tick)
        tick = ts->tick + 1;
    if (tick >= ts->tick + TIMER_SLOTS)
        tick = ts->tick + TIMER_SLOTS - 1;
    unsigned slot = slot_of(tick);
    struct timer *head = &ts->slots[slot];

    t->tick = tick;
    t->next = head;
    t->prev = head->prev;
    head->prev->next = t;
    head->prev = t;
    ts->used[slot / 64] |= 1ull << (slot % 64);
}

void timer_init(struct timers *ts, int64_t now_ms)
{
    memset(ts->used, 0, sizeof ts->used);
    ts->tick = now_ms / TIMER_TICK_MS;
    for (unsigned i = 0; i < TIMER_SLOTS; i++)
        ts->slots[i].next = ts->slots[i].prev = &ts->slots[i];
}

void timer_set(struct timers *ts, struct timer *t, int64_t due_ms, void (*fire)(struct timer *))
{
    t->fire = fire;
    t->due = due_ms;
    if (t->next) {
        if (t->tick * TIMER_TICK_MS <= due_ms + TIMER_TICK_MS)
            return; /* looked at in time anyhow */
        unlink_timer(ts, t);
    }
    link_timer(ts, t);
}

void timer_drop(struct timers *ts, struct timer *t)
{
    t->due = 0;
    if (t->next)
        unlink_timer(ts, t);
}

/* Empties one slot. What fires may set or drop any timer, also those of this slot: so the ring is
 * taken from its head one by one until it is empty; what is linked anew goes to a later tick. */
static void run_slot(struct timers *ts, unsigned slot, int64_t now_ms)
{
    struct timer *head = &ts->slots[slot];

    while (head->next != head) {
        struct timer *t = head->next;

        unlink_timer(ts, t);
        if (t->due == 0)
            continue;
        if (t->due > now_ms) {
            link_timer(ts, t);
            continue;
        }
        t->due = 0;
        t->fire(t);
    }
}

void timer_run(struct timers *ts, int64_t now_ms)
{
    int64_t last = now_ms / TIMER_TICK_MS;

    if (last - ts->tick > TIMER_SLOTS)
        ts->tick = last - TIMER_SLOTS; /* a long sleep: every slot once */
    while (ts->tick < last) {
        ts->tick++;
        unsigned slot = slot_of(ts->tick);
        if (ts->used[slot / 64] & 1ull << (slot % 64))
            run_slot(ts, slot, now_ms);
    }
}

int timer_wait(const struct timers *ts, int64_t now_ms, int limit)
{
    for (int64_t tick = ts->tick + 1; tick < ts->tick + TIMER_SLOTS;) {
        unsigned slot = slot_of(tick);
        uint64_t word = ts->used[slot / 64] >> (slot % 64);

        if (word == 0) {
            tick += 64 - slot % 64;
            continue;
        }
        int64_t wait = (tick + __builtin_ctzll(word)) * TIMER_TICK_MS - now_ms;
        return wait < 0 ? 0 : wait < limit ? (int)wait : limit;
    }
    return limit;
}
