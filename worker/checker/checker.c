/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The checker process: what has to be done once a machine and not once a worker, each at its
 * interval. A duty is a row of the table below; probes of upstreams become rows, too, each kind in
 * a file of its own beside this one. In between it sleeps in one poll() on the channel to the
 * master, which it obeys at once.
 */
#include "worker/checker/checker.h"
#include "shm/tickets.h"
#include "worker/base/channel.h"
#include "worker/base/clock.h"
#include "worker/base/log.h"
#include <poll.h>
#include <stdlib.h>

enum { BEAT_MS = 1000, TICKETS_LOOK_MS = 60 * 1000, TICKETS_AGE = 12 * 3600 /* s */ };

struct checker;

struct duty {
    const char *name;
    int64_t interval; /* ms; also how long after the start it comes first */
    void (*run)(struct checker *c, const struct clock *now);
};

static void rotate_tickets(struct checker *c, const struct clock *now);

/* A whole interval passes before the first turn, so that a checker that is just being replaced has
 * left by then. */
static const struct duty duties[] = {
    { "rotating ticket keys", TICKETS_LOOK_MS, rotate_tickets },
};
enum { DUTIES = sizeof(duties) / sizeof(*duties) };

struct checker {
    const struct heritage *heritage;
    struct board_row_shm *row;
    struct channel_message *message;
    int64_t due[DUTIES]; /* ms, monotonic */
    bool ending;
};

static void rotate_tickets(struct checker *c, const struct clock *now)
{
    if (tickets_rotate(&c->heritage->tickets, now->real_s, TICKETS_AGE))
        log_write(LOG_LEVEL_INFO, "made a new key for session tickets");
}

static void plan(struct checker *c, const struct clock *now)
{
    for (int i = 0; i < DUTIES; i++)
        c->due[i] = now->ms + duties[i].interval;
}

static void run_due(struct checker *c, const struct clock *now)
{
    for (int i = 0; i < DUTIES; i++) {
        if (now->ms < c->due[i])
            continue;
        board_doing(c->row, duties[i].name);
        duties[i].run(c, now);
        c->due[i] = now->ms + duties[i].interval;
    }
    board_doing(c->row, "waiting");
}

/* ms until the next duty, at most until the next beat. */
static int patience(const struct checker *c, const struct clock *now)
{
    int64_t wait = BEAT_MS;
    for (int i = 0; i < DUTIES; i++)
        if (c->due[i] - now->ms < wait)
            wait = c->due[i] - now->ms;
    return wait > 0 ? (int)wait : 0;
}

static void hear(struct checker *c)
{
    int got;
    while ((got = channel_receive(c->heritage->channel, c->message)) > 0) {
        if (c->message->op == CHANNEL_RETIRE)
            c->ending = true;
        if (c->message->op == CHANNEL_REOPEN_LOGS)
            log_reopen();
    }
    if (got < 0)
        c->ending = true; /* the master is gone */
}

static void work(struct checker *c)
{
    struct pollfd ear = { .fd = c->heritage->channel, .events = POLLIN };
    struct clock now;
    clock_read(&now);
    plan(c, &now);
    while (!c->ending) {
        if (poll(&ear, 1, patience(c, &now)) > 0)
            hear(c);
        clock_read(&now);
        atomic_store_explicit(&c->row->beat, (uint64_t)now.us * 1000, memory_order_relaxed);
        run_due(c, &now);
    }
}

int checker_main(const struct heritage *heritage)
{
    struct checker c = { .heritage = heritage,
                         .row = &board_of(&heritage->board)->rows[heritage->slot] };
    log_who("checker");
    board_catch(c.row);
    c.message = malloc(sizeof(*c.message));
    if (!c.message) {
        log_errno(LOG_LEVEL_ERROR, "the checker cannot start");
        return 1;
    }
    atomic_store(&c.row->state, BOARD_RUNNING);
    if (!channel_send(heritage->channel, CHANNEL_READY, 0, heritage->generation, NULL, 0))
        c.ending = true;
    work(&c);
    free(c.message);
    return 0;
}
