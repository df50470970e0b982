/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event loop: edge-triggered epoll with one registration per descriptor for its whole life.
 * Events of idle upstream connections (io->urgent) are handed out before all others of a turn, so
 * that one that was closed is never used.
 */
#ifndef BASE_LOOP_H
#define BASE_LOOP_H

#include "worker/base/clock.h"
#include "worker/base/timer.h"
#include <stdbool.h>
#include <sys/epoll.h>

enum { LOOP_EVENTS = 512 };

struct loop_io {
    int fd; /* -1: closed in this turn, its events are skipped */
    bool urgent;
    void (*ready)(struct loop_io *io, uint32_t events); /* EPOLL* bits */
};

/* Work put off to the end of the turn: memory of closed connections, wake-ups. */
struct loop_later {
    struct loop_later *next;
    void (*run)(struct loop_later *later);
};

struct loop {
    int epoll;
    struct clock now;
    int64_t after, emptied; /* monotonic us: what this turn's events tell of came after `after`; the
                             * same for the next turn */
    struct timers timers;
    unsigned crowded; /* so many turns in a row there were more events than one takes, and timers
                       * waited */
    int64_t crowded_since; /* ms: when the first of them began */
    struct loop_later *later, **later_end;
    struct epoll_event events[LOOP_EVENTS];
};

/* False: errno says why. */
bool loop_init(struct loop *l);
void loop_close(struct loop *l);

/* Registers for reading and writing, edge-triggered; `events` are added to that (EPOLLEXCLUSIVE
 * listeners pass their own with loop_watch). False: errno. */
bool loop_add(struct loop *l, struct loop_io *io);
bool loop_watch(struct loop *l, struct loop_io *io, uint32_t events);
void loop_unwatch(struct loop *l, struct loop_io *io);

/* Runs it at the end of this turn; from within such work, at the end of the next one, which then
 * does not wait for events. */
void loop_defer(struct loop *l, struct loop_later *later, void (*run)(struct loop_later *));

/* One turn: waits at most `limit` ms, hands out events, timers, then what was put off. While there
 * are more events than fit, timers wait for a bounded number of turns and a bounded time: after a
 * stop of the process much has come at once, and who spoke in time is not to be found late. */
void loop_turn(struct loop *l, int limit);

#endif
