/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loop of the master. It sleeps in poll(2) until a signal, a child's message or a moment that
 * something waits for; then it does what is due and sleeps again. Nothing here waits for a child,
 * and no byte of a client gets here: children say one of a handful of words, and only the control
 * process is heard beyond "ready".
 */
#include "master/master.h"
#include "master/files.h"
#include "master/generation.h"
#include "master/heir.h"
#include "master/listen.h"
#include "master/notify.h"
#include "master/program.h"
#include "master/reload.h"
#include "master/role.h"
#include "master/signals.h"
#include "master/supervise.h"
#include "master/upgrade.h"
#include "shm/tickets.h"
#include "worker/base/log.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MASTER_GENERATIONS = 3 /* that have bells of their own when they overlap */ };
enum { MASTER_STOP_PATIENCE = 10000, MASTER_GRACE = 1000, MASTER_MESSAGES = 16 };

int64_t master_now(void)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

void master_describe(const struct generation *g, char *out, size_t size)
{
    uint32_t workers = role_table[ROLE_WORKER].count(g->conf);
    (void)snprintf(out, size, "generation %llu serves with %u worker%s",
                   (unsigned long long)g->heritage.generation, workers, workers == 1 ? "" : "s");
}

/* --- ending ---------------------------------------------------------------------------- */

/* No more connections, no more reloads; what the generations hold is closed when their children are
 * gone. */
static void master_close_doors(struct master *m)
{
    notify_stopping();
    reload_cancel(m, "the gateway ends");
    upgrade_cancel(m);
    if (m->current)
        listen_close(&m->current->sockets);
    supervise_forget(m, NULL);
}

static void master_quit(struct master *m)
{
    int patience = m->current ? m->current->conf->shutdown_timeout : 0;

    if (m->mode != MASTER_SERVING)
        return;
    log_write(LOG_LEVEL_NOTICE, "graceful stop: requests have %d ms to finish", patience);
    m->mode = MASTER_DRAINING;
    m->deadline = master_now() + patience + MASTER_GRACE;
    master_close_doors(m);
    supervise_tell(m, NULL, CHANNEL_RETIRE);
}

/* A child whose channel closes ends at once, but in order: what its logs still hold is written.
 * Only the control process is asked to end, so that it can answer whoever asked for the stop. */
static void master_dismiss(struct child *c)
{
    if (c->generation == NULL || c->channel < 0)
        return;
    if (c->role == ROLE_CONTROL) {
        (void)channel_send(c->channel, CHANNEL_RETIRE, 0, 0, NULL, 0);
        return;
    }
    (void)close(c->channel);
    c->channel = -1;
}

static void master_stop(struct master *m)
{
    if (m->mode == MASTER_STOPPING)
        return;
    log_write(LOG_LEVEL_NOTICE, "fast stop");
    heir_signal(m, SIGTERM);
    if (m->mode == MASTER_SERVING)
        master_close_doors(m);
    m->mode = MASTER_STOPPING;
    m->deadline = master_now() + MASTER_STOP_PATIENCE;
    for (int slot = 0; slot < BOARD_SLOTS; slot++)
        master_dismiss(&m->children[slot]);
}

static void master_end_overdue(struct master *m)
{
    int64_t now = master_now();

    for (struct generation *g = m->generations; g; g = g->next) {
        if (g->state != GENERATION_RETIRING || g->deadline == 0 || g->deadline > now)
            continue;
        log_write(LOG_LEVEL_WARN,
                  "%u processes of generation %llu still had work after %d ms and are ended",
                  supervise_alive(m, g), (unsigned long long)g->heritage.generation,
                  g->conf->shutdown_timeout);
        g->deadline = 0;
        supervise_signal(m, g, SIGKILL);
    }
    if (m->mode == MASTER_SERVING || m->deadline == 0 || m->deadline > now)
        return;
    log_write(LOG_LEVEL_WARN, "%u processes did not end in time and are killed",
              supervise_alive(m, NULL));
    m->deadline = 0;
    supervise_signal(m, NULL, SIGKILL);
}

/* --- signals --------------------------------------------------------------------------- */

static void master_reopen_logs(struct master *m)
{
    if (m->current)
        files_prepare_logs(m->current->conf, &m->current->user);
    log_reopen();
    heir_signal(m, SIGUSR1);
    supervise_tell(m, NULL, CHANNEL_REOPEN_LOGS);
    log_write(LOG_LEVEL_INFO, "logs reopened");
}

static void master_obey(struct master *m, int sig)
{
    switch (sig) {
    case SIGHUP:
        reload_ask(m, -1, 0);
        break;
    case SIGTERM:
    case SIGINT:
        master_stop(m);
        break;
    case SIGQUIT:
        master_quit(m);
        break;
    case SIGUSR1:
        master_reopen_logs(m);
        break;
    case SIGUSR2:
        upgrade_ask(m, -1, 0, "");
        break;
    default: /* SIGCHLD: children are reaped in every turn */
        break;
    }
}

static void master_signals(struct master *m)
{
    char name[32];
    pid_t from;
    int sig;

    while ((sig = signals_next(m->signals, &from)) > 0) {
        if (sig != SIGCHLD)
            log_write(LOG_LEVEL_INFO, "%s from process %d", signals_name(sig, name, sizeof name),
                      (int)from);
        master_obey(m, sig);
    }
}

/* --- messages -------------------------------------------------------------------------- */

static void master_answer(const struct child *c, const struct channel_message *q, const char *text)
{
    (void)channel_send(c->channel, CHANNEL_RESULT, 0, q->id, text, strlen(text));
}

/* To a worker of the same configuration; the first that listens. */
static void master_pass_on(const struct master *m, int slot, const struct channel_message *q)
{
    static const char nobody[] = "no worker listens";
    const struct child *from = &m->children[slot];

    for (int i = 0; i < BOARD_SLOTS; i++) {
        const struct child *c = &m->children[i];
        if (c->generation == from->generation && c->role == ROLE_WORKER && c->ready &&
            c->channel >= 0 &&
            channel_send(c->channel, CHANNEL_EXPLAIN, (uint32_t)slot, q->id, q->text, q->text_n))
            return;
    }
    (void)channel_send(from->channel, CHANNEL_RESULT, 1, q->id, nobody, sizeof nobody - 1);
}

static void master_heed_control(struct master *m, int slot, const struct channel_message *q)
{
    const struct child *c = &m->children[slot];

    switch (q->op) {
    case CHANNEL_RELOAD:
        reload_ask(m, slot, q->id);
        break;
    case CHANNEL_STOP:
        master_answer(c, q, "stopping");
        master_stop(m);
        break;
    case CHANNEL_QUIT:
        master_answer(c, q, "stopping when the requests in progress are finished");
        master_quit(m);
        break;
    case CHANNEL_REOPEN:
        master_reopen_logs(m);
        master_answer(c, q, "logs reopened");
        break;
    case CHANNEL_UPGRADE:
        upgrade_ask(m, slot, q->id, q->text);
        break;
    case CHANNEL_EXPLAIN:
        master_pass_on(m, slot, q);
        break;
    default:
        break;
    }
}

/* A worker's answer to what control asked it; the text is looked at by who asked. */
static void master_pass_back(const struct master *m, const struct channel_message *q)
{
    const struct child *c = q->number < BOARD_SLOTS ? &m->children[q->number] : NULL;

    if (c && c->pid && c->role == ROLE_CONTROL && c->channel >= 0)
        (void)channel_send(c->channel, CHANNEL_EXPLAINED, 0, q->id, q->text, q->text_n);
}

static const char master_superseded[] = "another master has taken over: ask again";

static void master_heed(struct master *m, int slot, const struct channel_message *q)
{
    struct child *c = &m->children[slot];

    if (q->op == CHANNEL_READY)
        supervise_serves(c);
    else if (q->op == CHANNEL_TWINNED)
        c->owes -= c->owes > 0;
    else if (q->op == CHANNEL_RETIRED)
        c->retired = true;
    else if (c->role == ROLE_WORKER && q->op == CHANNEL_EXPLAINED)
        master_pass_back(m, q);
    else if (c->role == ROLE_CONTROL && m->mode == MASTER_SERVING)
        master_heed_control(m, slot, q);
    else if (c->role == ROLE_CONTROL && m->mode == MASTER_SUPERSEDED)
        (void)channel_send(c->channel, CHANNEL_RESULT, 1, q->id, master_superseded,
                           sizeof master_superseded - 1);
    else
        log_rarely(LOG_LEVEL_WARN, "message %u of pid %d is not heeded", q->op, (int)c->pid);
}

/* A bounded number a turn, so that one child that talks too much does not keep the others waiting.
 */
static void master_messages(struct master *m, int slot)
{
    struct child *c = &m->children[slot];

    for (int i = 0; i < MASTER_MESSAGES && c->channel >= 0; i++) {
        int got = channel_receive(c->channel, &m->message);
        if (got == 0)
            return;
        if (got > 0) {
            master_heed(m, slot, &m->message);
            continue;
        }
        (void)close(
            c->channel); /* it ends, or has lost its mind; waitpid() or the deadline tells */
        c->channel = -1;
    }
}

/* --- the loop -------------------------------------------------------------------------- */

static void master_sooner(int64_t *when, int64_t other)
{
    if (other < *when)
        *when = other;
}

static int master_timeout(const struct master *m)
{
    int64_t when = reload_next(m), now = master_now();

    master_sooner(&when, supervise_next(m));
    master_sooner(&when, upgrade_next(m));
    master_sooner(&when, heir_next(m));
    if (m->mode != MASTER_SERVING && m->deadline > 0)
        master_sooner(&when, m->deadline);
    for (const struct generation *g = m->generations; g; g = g->next)
        if (g->state == GENERATION_RETIRING && g->deadline > 0)
            master_sooner(&when, g->deadline);
    if (when == INT64_MAX)
        return -1;
    if (when <= now)
        return 0;
    return when - now < 60000 ? (int)(when - now) : 60000;
}

static void master_poll_link(struct master *m, int fd, nfds_t *n)
{
    if (fd < 0)
        return;
    m->polled_slot[*n] = -1;
    m->polled[(*n)++] = (struct pollfd){ .fd = fd, .events = POLLIN };
}

static nfds_t master_poll_set(struct master *m)
{
    nfds_t n = 0;

    m->polled[n++] = (struct pollfd){ .fd = m->signals, .events = POLLIN };
    master_poll_link(m, m->heir.link, &n);
    master_poll_link(m, upgrade_listens(m) ? m->upgrade.link : -1, &n);
    for (int slot = 0; slot < BOARD_SLOTS; slot++) {
        if (m->children[slot].generation == NULL || m->children[slot].channel < 0)
            continue;
        m->polled_slot[n] = slot;
        m->polled[n++] = (struct pollfd){ .fd = m->children[slot].channel, .events = POLLIN };
    }
    return n;
}

static void master_wait(struct master *m)
{
    nfds_t n = master_poll_set(m);
    int ready = poll(m->polled, n, master_timeout(m));

    if (ready < 0 && errno != EINTR) {
        log_errno(LOG_LEVEL_ERROR, "cannot wait for events");
        (void)usleep(100000);
    }
    if (ready <= 0)
        return;
    for (nfds_t i = 1; i < n; i++)
        if (m->polled[i].revents && m->polled_slot[i] >= 0)
            master_messages(m, m->polled_slot[i]);
}

static bool master_ended(const struct master *m)
{
    if (supervise_alive(m, NULL) > 0 || upgrade_busy(m))
        return false;
    if (m->mode == MASTER_SERVING)
        return m->current == NULL && m->reload.coming == NULL;
    /* Who took over from this one knows the slots of the one before only through it. */
    return m->mode != MASTER_SUPERSEDED || (m->heir.link < 0 && m->heir.gone_by == 0);
}

static void master_turn(struct master *m)
{
    master_wait(m);
    master_signals(m);
    supervise_reap(m);
    heir_turn(m);
    if (m->mode == MASTER_SERVING)
        reload_turn(m);
    upgrade_turn(m);
    supervise_start(m);
    master_end_overdue(m);
    generation_collect(m);
}

/* --- start ----------------------------------------------------------------------------- */

static bool master_is_alone(const struct conf *conf, struct refusal *refusal)
{
    struct conf_address address;

    if (!listen_unix(&address, conf->control_socket))
        return refusal_say(refusal, "control_socket: the path %s is too long",
                           conf->control_socket.s);
    switch (listen_probe(&address)) {
    case LISTEN_ALIVE:
        return refusal_say(refusal, "a gateway is running already: it answers on %s",
                           conf->control_socket.s);
    case LISTEN_UNKNOWN:
        return refusal_errno(refusal, "control_socket: %s", conf->control_socket.s);
    default:
        return true;
    }
}

static bool master_prepare(struct master *m, const struct conf *conf, struct refusal *refusal)
{
    struct sandbox_user user;

    m->signals = signals_open();
    if (m->signals < 0)
        return refusal_errno(refusal, "cannot receive signals");
    if (!heir_begin(m, refusal))
        return false;
    if (m->board.shm == NULL && !board_make(&m->board))
        return refusal_errno(refusal, "no shared memory for the board");
    if (m->tickets.shm == NULL && !tickets_make(&m->tickets))
        return refusal_errno(refusal, "no shared memory for ticket keys");
    if (m->bells.n == 0 && !bells_make(&m->bells, MASTER_GENERATIONS * role_processes(conf)))
        return refusal_errno(refusal, "no descriptors for workers to wake each other");
    if (!sandbox_lookup(conf->user.s, &user, refusal) || !files_prepare(conf, &user, refusal))
        return false;
    return heir_is_one(m) ||
           (master_is_alone(conf, refusal) && files_pid_take(&m->pid, conf->pid_file.s, refusal));
}

static bool master_begin(struct master *m, const struct conf *conf, struct refusal *refusal)
{
    if (!master_prepare(m, conf, refusal)) {
        conf_free(&conf);
        return false;
    }
    if (!reload_first(m, conf, refusal))
        return false;
    conf = m->reload.coming->conf;
    (void)log_open(conf->error_log.s, (enum log_level)conf->log_level, "master");
    return true;
}

static void master_end(struct master *m)
{
    if (heir_is_one(m)) /* the file is still the other's */
        files_pid_leave(&m->pid);
    generation_free_all(m);
    files_pid_drop(&m->pid);
    region_drop(&m->board);
    region_drop(&m->tickets);
    bells_drop(&m->bells);
    if (m->signals >= 0)
        (void)close(m->signals);
}

static void master_clear(struct master *m, const char *conf_path, char *const *argv)
{
    *m =
        (struct master){ .conf_path = conf_path, .argv = argv, .signals = -1, .pid = { .fd = -1 } };
    m->board.fd = m->tickets.fd = -1;
    upgrade_clear(&m->upgrade);
    heir_clear(&m->heir);
    for (int slot = 0; slot < BOARD_SLOTS; slot++)
        m->children[slot].channel = -1;
}

int master_run(struct master *m, const struct conf *conf, const char *conf_path, char *const *argv)
{
    struct refusal refusal = { "" };

    master_clear(m, conf_path, argv);
    if (!program_find(argv[0], m->program))
        log_errno(LOG_LEVEL_WARN,
                  "where this program lies is not known: no upgrade without a path");
    if (!master_begin(m, conf, &refusal)) {
        (void)fprintf(stderr, "gateway: %s\n", refusal.text);
        heir_decline(m, refusal.text);
        m->exit_status = 1;
    } else {
        while (!master_ended(m))
            master_turn(m);
        log_write(LOG_LEVEL_NOTICE, "stopped");
    }
    master_end(m);
    return m->exit_status;
}
