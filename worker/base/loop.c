/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A turn: wait, read the clock once, hand out events (urgent ones first), run timers, run what was
 * put off. Nothing is freed while events of the same turn may still name it: that is what
 * loop_defer() is for.
 */
#include "worker/base/loop.h"

#include <errno.h>
#include <unistd.h>

enum { CROWDED_TURNS = 64, CROWDED_MS = 250 };

bool loop_init(struct loop *l)
{
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    l->later = NULL;
    l->later_end = &l->later;
    l->after = l->emptied = 0;
    l->crowded = 0;
    l->crowded_since = 0;
    clock_read(&l->now);
    timer_init(&l->timers, l->now.ms);
    return l->epoll >= 0;
}

void loop_close(struct loop *l)
{
    if (l->epoll >= 0)
        close(l->epoll);
    l->epoll = -1;
}

bool loop_watch(struct loop *l, struct loop_io *io, uint32_t events)
{
    struct epoll_event e = { .events = events, .data.ptr = io };

    return epoll_ctl(l->epoll, EPOLL_CTL_ADD, io->fd, &e) == 0;
}

bool loop_add(struct loop *l, struct loop_io *io)
{
    return loop_watch(l, io, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
}

void loop_unwatch(struct loop *l, struct loop_io *io)
{
    epoll_ctl(l->epoll, EPOLL_CTL_DEL, io->fd, NULL);
}

void loop_defer(struct loop *l, struct loop_later *later, void (*run)(struct loop_later *))
{
    later->run = run;
    later->next = NULL;
    *l->later_end = later;
    l->later_end = &later->next;
}

/* What is put off meanwhile is for the next turn, so that nobody keeps the loop by coming again. */
static void run_later(struct loop *l)
{
    struct loop_later *first = l->later;

    l->later = NULL;
    l->later_end = &l->later;
    while (first) {
        struct loop_later *later = first;

        first = later->next;
        later->run(later);
    }
}

static void hand_out(struct loop *l, int n)
{
    for (int i = 0; i < n; i++) {
        struct loop_io *io = l->events[i].data.ptr;
        if (io->urgent && io->fd >= 0) {
            io->ready(io, l->events[i].events);
            l->events[i].data.ptr = NULL;
        }
    }
    for (int i = 0; i < n; i++) {
        struct loop_io *io = l->events[i].data.ptr;
        if (io && io->fd >= 0)
            io->ready(io, l->events[i].events);
    }
}

/* Whether timers wait for what has not been handed out yet. */
static bool is_crowded(struct loop *l, int n)
{
    if (l->crowded == 0)
        l->crowded_since = l->now.ms;
    l->crowded = n == LOOP_EVENTS ? l->crowded + 1 : 0;
    if (l->crowded >= CROWDED_TURNS || l->now.ms - l->crowded_since > CROWDED_MS)
        l->crowded = 0;
    return l->crowded > 0;
}

void loop_turn(struct loop *l, int limit)
{
    int wait = l->later ? 0 : timer_wait(&l->timers, l->now.ms, limit);
    int64_t entered = l->now.us;
    int n = epoll_wait(l->epoll, l->events, LOOP_EVENTS, wait);

    clock_read(&l->now);
    l->after = l->emptied;
    if (n >= 0 && n < LOOP_EVENTS) /* all that had come when it was called is among them */
        l->emptied = entered;
    if (n > 0)
        hand_out(l, n);
    if (!is_crowded(l, n))
        timer_run(&l->timers, l->now.ms);
    run_later(l);
}
