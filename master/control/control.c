/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control process: one loop over three listeners, the channel to the master, and a signalfd. It
 * has no rights of its own: what needs them it asks the master for, with a number, and several
 * questions may be open at once. Told to retire, it lets go of the listeners, which its successor
 * has inherited as well, and stays until the last answer is out.
 */
#include "master/control/control.h"
#include "master/control/api_change.h"
#include "master/control/control_conn.h"
#include "master/control/shifting.h"
#include "shm/board.h"
#include "worker/base/log.h"
#include "worker/base/twins.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum { TURN_MS = 1000, ACCEPT_PAUSE_MS = 200, DRAIN_MIN_MS = 10000 };

struct control;

struct listener {
    struct loop_io io;
    struct timer pause;
    struct control *control;
    enum api_door door;
};

struct control {
    const struct heritage *heritage;
    struct board_row_shm *row;
    struct api api;
    struct twins twins;
    struct control_conns conns;
    struct listener listeners[3]; /* by enum api_door */
    struct loop_io channel, signals;
    struct timer retirement, feeding;
    uint64_t questions; /* asked so far: the latest id */
    bool over;
    struct channel_message message;
    struct loop loop;
};

#define OWNER(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

/* --- the master ----------------------------------------------------------------------------- */

static uint64_t ask(struct api *api, enum channel_op op, const char *text)
{
    struct control *c = OWNER(api, struct control, api);
    uint64_t id = c->questions + 1;

    if (!channel_send(c->heritage->channel, op, 0, id, text, strlen(text)))
        return 0;
    c->questions = id;
    return id;
}

static void retired(struct timer *t)
{
    OWNER(t, struct control, retirement)->over = true;
}

static void retire(struct control *c)
{
    int limit = c->heritage->conf->shutdown_timeout;

    if (c->conns.draining)
        return;
    atomic_store(&c->row->state, BOARD_DRAINING);
    board_doing(c->row, "draining");
    for (size_t i = 0; i < 3; i++) {
        struct listener *l = &c->listeners[i];
        if (l->io.fd < 0)
            continue;
        loop_unwatch(&c->loop, &l->io);
        timer_drop(&c->loop.timers, &l->pause);
        close(l->io.fd);
        l->io.fd = -1;
    }
    control_conn_drain(&c->conns);
    timer_set(&c->loop.timers, &c->retirement,
              c->loop.now.ms + (limit > DRAIN_MIN_MS ? limit : DRAIN_MIN_MS), retired);
}

static void obey(struct control *c, const struct channel_message *message)
{
    if (message->op == CHANNEL_RESULT || message->op == CHANNEL_EXPLAINED)
        control_conn_result(&c->conns, message);
    else if (message->op == CHANNEL_RETIRE)
        retire(c);
    else if (message->op == CHANNEL_REOPEN_LOGS)
        log_reopen();
}

static void channel_ready(struct loop_io *io, uint32_t events)
{
    struct control *c = OWNER(io, struct control, channel);
    int got, passed;

    (void)events;
    while ((got = channel_receive_fd(io->fd, &c->message, &passed)) > 0) {
        twins_heed(&c->twins, &c->message, passed);
        obey(c, &c->message);
    }
    if (got < 0)
        c->over = true;
}

/* --- signals and listeners ------------------------------------------------------------------ */

static void signals_ready(struct loop_io *io, uint32_t events)
{
    struct control *c = OWNER(io, struct control, signals);
    struct signalfd_siginfo info;

    (void)events;
    while (read(io->fd, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo == SIGTERM)
            c->over = true;
        else if (info.ssi_signo == SIGQUIT)
            retire(c);
    }
}

/* SIGINT and SIGHUP may come from a terminal to every process at once: the master says what is to
 * be done. */
static int open_signals(void)
{
    static const int caught[] = { SIGTERM, SIGQUIT, SIGINT, SIGHUP, SIGUSR1, SIGUSR2 };
    sigset_t set;

    sigemptyset(&set);
    for (size_t i = 0; i < sizeof caught / sizeof caught[0]; i++)
        sigaddset(&set, caught[i]);
    if (sigprocmask(SIG_SETMASK, &set, NULL) < 0)
        return -1;
    return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

static void listen_again(struct timer *t)
{
    struct listener *l = OWNER(t, struct listener, pause);

    if (!loop_watch(&l->control->loop, &l->io, EPOLLIN))
        timer_set(&l->control->loop.timers, &l->pause, l->control->loop.now.ms + ACCEPT_PAUSE_MS,
                  listen_again);
}

static void listener_ready(struct loop_io *io, uint32_t events)
{
    struct listener *l = OWNER(io, struct listener, io);
    struct loop *loop = &l->control->loop;

    (void)events;
    if (control_conn_accept(&l->control->conns, io->fd, l->door))
        return;
    log_rarely(LOG_LEVEL_WARN, "control: cannot accept: errno %d", errno);
    loop_unwatch(loop, io);
    timer_set(&loop->timers, &l->pause, loop->now.ms + ACCEPT_PAUSE_MS, listen_again);
}

static bool open_listeners(struct control *c)
{
    const int fds[3] = { [API_DOOR_CONTROL] = c->heritage->control,
                         [API_DOOR_STATUS] = c->heritage->status,
                         [API_DOOR_ADMIN] = c->heritage->admin };

    for (int i = 0; i < 3; i++) {
        struct listener *l = &c->listeners[i];
        *l = (struct listener){ .io = { .fd = fds[i], .ready = listener_ready }, .control = c };
        l->door = (enum api_door)i;
        if (fds[i] < 0)
            continue;
        if (fcntl(fds[i], F_SETFL, O_NONBLOCK) < 0 || !loop_watch(&c->loop, &l->io, EPOLLIN))
            return false;
    }
    return true;
}

/* --- life ----------------------------------------------------------------------------------- */

static void attach_caches(struct control *c)
{
    const struct heritage *h = c->heritage;

    labels_queries(h->conf, &c->api.queries);
    for (size_t i = 0; i < h->conf->shared_dicts_n && i < HERITAGE_DICTS_MAX; i++) {
        c->api.caches[i] = cache_attach(&h->dicts[i], h->slot);
        if (c->api.caches[i] != NULL)
            purges_use(c->api.caches[i], labels_see);
        else
            log_write(LOG_LEVEL_ERROR, "control: shared dict %s cannot be attached",
                      h->conf->shared_dicts[i].name.s);
        advisor_open(&c->api.advisors[i], c->api.caches[i]);
    }
}

/* The rings of samples are short: they are read often, also when nobody asks. */
static void feed(struct timer *t)
{
    struct control *c = OWNER(t, struct control, feeding);

    for (size_t i = 0; i < HERITAGE_DICTS_MAX; i++)
        advisor_feed(&c->api.advisors[i], c->loop.now.real_s);
    timer_set(&c->loop.timers, t, c->loop.now.ms + ADVISOR_MS, feed);
}

static bool set_up(struct control *c)
{
    c->conns = (struct control_conns){ .loop = &c->loop, .api = &c->api };
    c->api.heritage = c->heritage;
    c->api.ask = ask;
    if (!peers_open(&c->api.peers, c->heritage, NULL, NULL) || !loop_init(&c->loop))
        return false;
    c->channel = (struct loop_io){ .fd = c->heritage->channel, .ready = channel_ready };
    c->signals = (struct loop_io){ .fd = open_signals(), .ready = signals_ready };
    if (c->signals.fd < 0 || !loop_watch(&c->loop, &c->signals, EPOLLIN) ||
        !loop_watch(&c->loop, &c->channel, EPOLLIN) || !open_listeners(c))
        return false;
    attach_caches(c);
    twins_open(&c->twins, c->heritage, c->api.caches);
    timer_set(&c->loop.timers, &c->feeding, c->loop.now.ms + ADVISOR_MS, feed);
    return channel_send(c->heritage->channel, CHANNEL_READY, 0, 0, NULL, 0);
}

static void live(struct control *c)
{
    atomic_store(&c->row->state, BOARD_RUNNING);
    board_doing(c->row, "serving");
    while (!c->over && !(c->conns.draining && control_conn_count(&c->conns) == 0)) {
        atomic_store_explicit(&c->row->beat, (uint64_t)c->loop.now.us * 1000, memory_order_relaxed);
        atomic_store_explicit(&c->row->connections, control_conn_count(&c->conns),
                              memory_order_relaxed);
        loop_turn(&c->loop, c->api.peers.shifts > 0 ? SHIFTING_TURN : TURN_MS);
        c->api.now = c->loop.now.real_s;
        api_change_sweep(&c->api);
        shifting_look(&c->api);
    }
    control_conn_end(&c->conns);
    loop_turn(&c->loop, 0); /* lets go of what was closed */
}

int control_main(const struct heritage *heritage)
{
    struct control *c = calloc(1, sizeof *c);

    log_who("control");
    if (c == NULL || heritage->slot >= BOARD_SLOTS)
        return EXIT_FAILURE;
    c->heritage = heritage;
    c->row = &board_of(&heritage->board)->rows[heritage->slot];
    board_catch(c->row);
    if (!set_up(c)) {
        log_errno(LOG_LEVEL_ERROR, "control: cannot start");
        return EXIT_FAILURE;
    }
    live(c);
    for (size_t i = 0; i < HERITAGE_DICTS_MAX; i++) {
        advisor_close(&c->api.advisors[i]);
        if (c->api.caches[i] != NULL)
            cache_detach(&c->api.caches[i]);
    }
    peers_close(&c->api.peers);
    loop_close(&c->loop);
    close(c->signals.fd);
    free(c);
    return EXIT_SUCCESS;
}
