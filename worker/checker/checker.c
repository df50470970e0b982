/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The checker process: what has to be done once a machine and not once a worker, each at its
 * interval. A duty is a row of the table below; one of them looks after the probes of targets,
 * which go on by themselves in the loop (watch.c), as do the resolving of names (resolver.c) and
 * the fetching of issuers' keys (keeper.c). The channel to the master is obeyed at once.
 */
#include "worker/checker/checker.h"
#include "shm/tickets.h"
#include "worker/base/channel.h"
#include "worker/base/clock.h"
#include "worker/base/log.h"
#include "worker/base/loop.h"
#include "worker/checker/keeper.h"
#include "worker/checker/resolver.h"
#include "worker/checker/watch.h"
#include <stdlib.h>

enum {
    BEAT_MS = 1000,
    TICKETS_LOOK_MS = 60 * 1000,
    TICKETS_AGE = 12 * 3600 /* s */,
    SWEEP_MS = 200,
    TELL_MS = 5000
};

struct checker;

struct duty {
    const char *name;
    int64_t interval; /* ms; also how long after the start it comes first */
    void (*run)(struct checker *c, const struct clock *now);
};

static void rotate_tickets(struct checker *c, const struct clock *now);
static void sweep_targets(struct checker *c, const struct clock *now);
static void name_targets(struct checker *c, const struct clock *now);

/* A whole interval passes before the first turn, so that a checker that is just being replaced has
 * left by then. */
static const struct duty duties[] = {
    { "rotating ticket keys", TICKETS_LOOK_MS, rotate_tickets },
    { "looking after targets", SWEEP_MS, sweep_targets },
    { "naming targets", TELL_MS, name_targets },
};
enum { DUTIES = sizeof(duties) / sizeof(*duties) };

struct checker {
    const struct heritage *heritage;
    struct board_row_shm *row;
    struct channel_message *message;
    int64_t due[DUTIES]; /* ms, monotonic */
    struct loop loop;
    struct loop_io ear;        /* the channel */
    struct resolver *resolver; /* NULL: no names are looked after */
    struct watch *watch;       /* NULL: no targets are looked after */
    struct keeper *keeper;     /* NULL: no keys are looked after */
    bool ending;
};

static void rotate_tickets(struct checker *c, const struct clock *now)
{
    if (tickets_rotate(&c->heritage->tickets, now->real_s, TICKETS_AGE))
        log_write(LOG_LEVEL_INFO, "made a new key for session tickets");
}

static void sweep_targets(struct checker *c, const struct clock *now)
{
    (void)now;
    if (c->watch)
        watch_sweep(c->watch);
}

static void name_targets(struct checker *c, const struct clock *now)
{
    (void)now;
    if (c->watch)
        watch_tell(c->watch);
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

static void on_channel(struct loop_io *io, uint32_t events)
{
    (void)events;
    hear((struct checker *)((char *)io - offsetof(struct checker, ear)));
}

static void work(struct checker *c)
{
    plan(c, &c->loop.now);
    while (!c->ending) {
        loop_turn(&c->loop, patience(c, &c->loop.now));
        atomic_store_explicit(&c->row->beat, (uint64_t)c->loop.now.us * 1000, memory_order_relaxed);
        run_due(c, &c->loop.now);
    }
}

/* The channel, the names, the targets. */
static bool prepare(struct checker *c)
{
    const struct heritage *h = c->heritage;
    if (!c->message || !loop_init(&c->loop))
        return false;
    c->ear = (struct loop_io){ .fd = h->channel, .ready = on_channel };
    if (!loop_watch(&c->loop, &c->ear, EPOLLIN | EPOLLRDHUP))
        return false;
    c->resolver = h->roster.shm ? resolver_make(h, &c->loop) : NULL;
    c->watch = h->health.shm ? watch_make(h, &c->loop) : NULL;
    c->keeper = h->jwks.shm ? keeper_make(h, &c->loop) : NULL;
    return (c->resolver || !h->roster.shm) && (c->watch || !h->health.shm) &&
           (c->keeper || !h->jwks.shm);
}

int checker_main(const struct heritage *heritage)
{
    struct checker *c = calloc(1, sizeof *c);
    log_who("checker");
    if (c) {
        c->heritage = heritage;
        c->row = &board_of(&heritage->board)->rows[heritage->slot];
        board_catch(c->row);
        c->message = malloc(sizeof *c->message);
    }
    if (!c || !prepare(c)) {
        log_errno(LOG_LEVEL_ERROR, "the checker cannot start");
        return 1;
    }
    atomic_store(&c->row->state, BOARD_RUNNING);
    if (!channel_send(heritage->channel, CHANNEL_READY, 0, heritage->generation, NULL, 0))
        c->ending = true;
    work(c);
    keeper_end(&c->keeper);
    resolver_end(&c->resolver);
    if (c->watch)
        watch_end(&c->watch);
    loop_close(&c->loop);
    free(c->message);
    free(c);
    return 0;
}
