/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Steps, none of which waits: load (the only blocking one: it reads files and may ask DNS), make
 * the generation, fork its processes; then, turn by turn, until all of them have said that they
 * can serve: commit, and only then does a new worker accept. Whatever fails before that leaves the
 * old generation as it was, and no client is lost by it. Who asked gets the result after the
 * commit.
 */
#include "master/reload.h"
#include "master/files.h"
#include "master/generation.h"
#include "master/guard.h"
#include "master/heir.h"
#include "master/listen.h"
#include "master/moving.h"
#include "master/notify.h"
#include "master/role.h"
#include "master/supervise.h"
#include "master/upgrade.h"
#include "worker/base/log.h"
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ms. All but the grace are for processes that do not get the processor, or hang: a machine that is
 * only busy meets none of them. */
enum {
    RELOAD_ANNOUNCE = 10000,
    RELOAD_MOVE = 30000,
    RELOAD_PATIENCE = 30000,
    RELOAD_GRACE = 1000,
    RELOAD_SETTLE = 10000
};

/* --- who asked ------------------------------------------------------------------------- */

void reload_ask(struct master *m, int slot, uint64_t id)
{
    struct reload *r = &m->reload;

    r->wanted = true;
    if (slot < 0)
        return;
    if (r->asks_n == MASTER_ASKS) {
        (void)channel_send(m->children[slot].channel, CHANNEL_RESULT, 1, id,
                           "too many reloads are waiting", 28);
        return;
    }
    r->asks[r->asks_n++] = (struct reload_ask){ slot, m->children[slot].pid, id };
}

/* Tells those whose reload it was; the others go on waiting. Lines also go to the log, one each. */
static void reload_answer(struct master *m, bool done, const char *text)
{
    struct reload *r = &m->reload;
    const char *line = text, *end;

    for (; *line; line = *end ? end + 1 : end) {
        end = strchrnul(line, '\n');
        if (end > line)
            log_write(done ? LOG_LEVEL_NOTICE : LOG_LEVEL_ERROR, "%s%.*s",
                      done ? "" : "configuration refused: ", (int)(end - line), line);
    }
    for (size_t i = 0; i < r->asks_now; i++) {
        const struct child *c = &m->children[r->asks[i].slot];
        if (c->generation && c->pid == r->asks[i].pid && c->channel >= 0)
            (void)channel_send(c->channel, CHANNEL_RESULT, done ? 0 : 1, r->asks[i].id, text,
                               strlen(text));
    }
    memmove(r->asks, r->asks + r->asks_now, (r->asks_n - r->asks_now) * sizeof r->asks[0]);
    r->asks_n -= r->asks_now;
    r->asks_now = 0;
}

static void reload_refuse(struct master *m, const char *why)
{
    char status[128] = "did not start";

    reload_answer(m, false, why);
    heir_decline(m, why);
    if (m->current) {
        atomic_fetch_add(&board_of(&m->board)->reload_failures, 1);
        master_describe(m->current, status, sizeof status);
        log_write(LOG_LEVEL_NOTICE, "nothing has changed: %s", status);
        notify_ready(status);
    }
}

/* --- begin ----------------------------------------------------------------------------- */

static bool reload_populate(struct master *m, struct generation *g, struct refusal *refusal)
{
    if (!supervise_populate(m, g, refusal))
        return false;
    m->reload.phase = RELOAD_STARTING;
    g->deadline = master_now() + RELOAD_PATIENCE;
    (void)refusal_say(&m->reload.why, "the new processes did not serve within %d ms",
                      RELOAD_PATIENCE);
    return true;
}

static bool reload_begin(struct master *m, const struct conf *conf, struct refusal *refusal)
{
    struct generation *g = generation_make(m, conf, refusal);

    if (g == NULL)
        return false;
    if (moving_is_needed(g)) {
        moving_announce(m, g);
        m->reload.phase = RELOAD_ANNOUNCED;
        g->deadline = master_now() + RELOAD_ANNOUNCE;
    } else if (!reload_populate(m, g, refusal)) {
        g->state = GENERATION_UNDONE;
        listen_abandon(&g->sockets);
        generation_collect(m);
        return false;
    }
    m->reload.coming = g;
    m->reload.failed = false;
    return true;
}

bool reload_first(struct master *m, const struct conf *conf, struct refusal *refusal)
{
    return reload_begin(m, conf, refusal);
}

struct reload_reading {
    const char *path;
    const struct conf *conf; /* NULL: errors say why */
    struct conf_errors errors;
};

static void reload_read(void *arg)
{
    struct reload_reading *r = arg;
    r->conf = conf_load(r->path, true, &r->errors);
}

static void reload_load(struct master *m)
{
    struct reload_reading reading = { .path = m->conf_path };
    struct refusal refusal = { "" };
    int sig;

    m->reload.wanted = false;
    m->reload.asks_now = m->reload.asks_n;
    notify_reloading();
    log_write(LOG_LEVEL_INFO, "reading %s", m->conf_path);
    if (!guard_run(reload_read, &reading, &sig)) {
        (void)refusal_say(&refusal, "%s: reading it failed by signal %d, out of memory perhaps",
                          m->conf_path, sig);
        reload_refuse(m, refusal.text);
        return;
    }
    if (reading.conf == NULL)
        reload_refuse(m, reading.errors.text ? reading.errors.text
                                             : "no memory to read the configuration");
    else if (!reload_begin(m, reading.conf, &refusal))
        reload_refuse(m, refusal.text);
    conf_errors_free(&reading.errors);
}

/* --- commit ---------------------------------------------------------------------------- */

static void reload_move_pid_file(struct master *m, const char *path)
{
    struct files_pid pid = { .fd = -1 };
    struct refusal refusal;

    if (strcmp(m->pid.path, path) == 0)
        return;
    if (!files_pid_take(&pid, path, &refusal)) {
        log_write(LOG_LEVEL_WARN, "%s; the old pid file stays", refusal.text);
        return;
    }
    files_pid_drop(&m->pid);
    m->pid = pid;
}

static void reload_change_log(const struct conf *from, const struct conf *to)
{
    if (strcmp(from->error_log.s, to->error_log.s) != 0 || from->log_level != to->log_level)
        (void)log_open(to->error_log.s, (enum log_level)to->log_level, "master");
}

void reload_retire(struct master *m, struct generation *old)
{
    old->state = GENERATION_RETIRING;
    old->deadline = master_now() + old->conf->shutdown_timeout + RELOAD_GRACE;
    supervise_forget(m, old);
    supervise_tell(m, old, CHANNEL_RETIRE);
}

/* Whoever asked may count on it that what he connects from now on meets the new configuration: he
 * is answered when the old workers have left the listening sockets. A worker that is stopped cannot
 * keep him waiting for ever. */
static void reload_settle(struct master *m)
{
    char text[128];

    if (m->reload.settling && master_now() < m->reload.settle_by &&
        !supervise_retired(m, m->reload.settling))
        return;
    m->reload.settling = NULL;
    m->reload.settle_by = 0;
    master_describe(m->current, text, sizeof text);
    reload_answer(m, true, text);
}

static void reload_commit(struct master *m)
{
    struct generation *g = m->reload.coming, *old = m->current, *legacy = m->heir.legacy;
    struct board_shm *board = board_of(&m->board);
    char text[128];

    m->reload.coming = NULL;
    m->current = g;
    g->state = GENERATION_CURRENT;
    atomic_store(&board->generation, g->heritage.generation);
    master_describe(g, text, sizeof text);
    heir_take_over(m, text);
    listen_commit(&g->sockets, old ? &old->sockets : legacy ? &legacy->sockets : NULL);
    supervise_let_serve(m, g);
    heir_settle(m);
    if (old)
        atomic_fetch_add(&board->reloads, 1);
    if (old || legacy)
        reload_move_pid_file(m, g->conf->pid_file.s);
    if (old)
        reload_change_log(old->conf, g->conf);
    if (old)
        reload_retire(m, old);
    m->reload.settling = old;
    m->reload.settle_by = master_now() + RELOAD_SETTLE;
    notify_ready(text);
    reload_settle(m);
}

/* --- turns ----------------------------------------------------------------------------- */

/* A reload can begin: one is asked for, and of those that were undone no process is left that may
 * hold an address. */
static bool reload_may_begin(const struct master *m)
{
    if (!m->reload.wanted || m->current == NULL || m->reload.coming || m->reload.settle_by ||
        upgrade_busy(m))
        return false;
    for (const struct generation *g = m->generations; g; g = g->next)
        if (g->state == GENERATION_UNDONE)
            return false;
    return true;
}

/* Undoes a generation that never served. */
static void reload_undo(struct master *m)
{
    struct generation *g = m->reload.coming;

    m->reload.coming = NULL;
    g->state = GENERATION_UNDONE;
    listen_abandon(&g->sockets);
    supervise_signal(m, g, SIGKILL);
    supervise_forget(m, g);
}

void reload_cancel(struct master *m, const char *why)
{
    if (m->reload.settle_by && m->current) {
        m->reload.settle_by = master_now();
        reload_settle(m);
    }
    m->reload.wanted = false;
    m->reload.asks_now = m->reload.asks_n;
    if (m->reload.coming)
        reload_undo(m);
    if (m->reload.asks_n > 0)
        reload_answer(m, false, why);
}

static void reload_fail(struct master *m)
{
    reload_undo(m);
    reload_refuse(m, m->reload.why.text);
    if (m->current == NULL)
        m->exit_status = 1;
}

/* What moved until then is kept, however the mover ended. */
static void reload_start(struct master *m, struct generation *g)
{
    if (!reload_populate(m, g, &m->reload.why))
        reload_fail(m);
}

static void reload_move(struct master *m, struct generation *g)
{
    if (moving_is_known(m) && supervise_add(m, g, ROLE_MOVER)) {
        m->reload.phase = RELOAD_MOVING;
        g->deadline = master_now() + RELOAD_MOVE;
    } else if (master_now() >= g->deadline) {
        log_write(LOG_LEVEL_WARN,
                  "not all processes know of the dictionaries that change their "
                  "size within %d ms: these keep it for now",
                  RELOAD_ANNOUNCE);
        moving_abandon(m, g);
        reload_start(m, g);
    }
}

static void reload_moving(struct master *m, struct generation *g)
{
    if (!supervise_has(m, g)) {
        reload_start(m, g);
    } else if (master_now() >= g->deadline) {
        log_write(LOG_LEVEL_WARN,
                  "dictionaries that change their size have moved for %d ms: the "
                  "rest stays behind",
                  RELOAD_MOVE);
        g->deadline = master_now() + RELOAD_MOVE;
        supervise_signal(m, g, SIGKILL);
    }
}

static void reload_starting(struct master *m, struct generation *g)
{
    if (supervise_ready(m, g) || heir_has_asked(m)) {
        if (heir_may_commit(m))
            reload_commit(m);
    } else if (m->reload.failed || master_now() >= g->deadline) {
        reload_fail(m);
    }
}

void reload_turn(struct master *m)
{
    struct generation *g = m->reload.coming;

    if (m->reload.settle_by && m->current)
        reload_settle(m);
    if (reload_may_begin(m))
        reload_load(m);
    if (g == NULL)
        return;
    if (m->reload.phase == RELOAD_ANNOUNCED)
        reload_move(m, g);
    else if (m->reload.phase == RELOAD_MOVING)
        reload_moving(m, g);
    else
        reload_starting(m, g);
}

int64_t reload_next(const struct master *m)
{
    if (m->reload.coming)
        return heir_has_asked(m) && m->current == NULL ? INT64_MAX : m->reload.coming->deadline;
    if (m->reload.settle_by)
        return m->reload.settle_by;
    return reload_may_begin(m) ? 0 : INT64_MAX;
}
