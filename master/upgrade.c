/* SPDX-License-Identifier: Apache-2.0 */
/*
 * States:
 *
 *   NONE -> STARTING     the successor runs, in a process group of its own
 *   STARTING -> GIVEN    all of its processes serve, it said READY and was told GO
 *   GIVEN -> SETTLING    it said UP: it is the master now, and this one retires
 *   SETTLING -> NONE     the old workers accept no more: who asked is answered
 *   STARTING, GIVEN -> UNDONE  it ended, refused or took too long: the whole group is killed; when
 *                        the last of it is gone, what it left in shared memory is mended, and all
 *                        is as before
 *
 * Until UP is here the successor's death costs nothing; before GO it touches nothing that it did
 * not make itself. So there is no moment at which both are sure to be the one master, and none at
 * which nobody is. Orphans of a dead successor become this master's children (subreaper), so it
 * knows when they are gone; only then may locks be broken that they held.
 */
#include "master/upgrade.h"
#include "master/handover.h"
#include "master/listen.h"
#include "master/moving.h"
#include "master/notify.h"
#include "master/program.h"
#include "master/reload.h"
#include "master/role.h"
#include "master/signals.h"
#include "master/spawn.h"
#include "master/supervise.h"
#include "master/zones.h"
#include "worker/base/log.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    UPGRADE_PATIENCE = 30000,
    UPGRADE_TAKE = 15000,
    UPGRADE_SETTLE = 10000,
    UPGRADE_LOOK = 20
}; /* ms */

void upgrade_clear(struct upgrade *u)
{
    *u = (struct upgrade){ .link = -1, .slot = -1 };
}

bool upgrade_busy(const struct master *m)
{
    return m->upgrade.state != UPGRADE_NONE;
}

bool upgrade_listens(const struct master *m)
{
    return m->upgrade.state == UPGRADE_STARTING || m->upgrade.state == UPGRADE_GIVEN;
}

/* --- who asked ------------------------------------------------------------------------- */

static void upgrade_tell(const struct master *m, int slot, pid_t pid, uint64_t id, bool done,
                         const char *text)
{
    const struct child *c = slot >= 0 ? &m->children[slot] : NULL;

    log_write(done ? LOG_LEVEL_NOTICE : LOG_LEVEL_ERROR, "%s%s",
              done ? "upgraded: " : "upgrade refused: ", text);
    if (c && c->generation && c->pid == pid && c->channel >= 0)
        (void)channel_send(c->channel, CHANNEL_RESULT, done ? 0 : 1, id, text, strlen(text));
}

static void upgrade_answer(struct master *m, bool done, const char *text)
{
    const struct upgrade *u = &m->upgrade;
    upgrade_tell(m, u->slot, u->asker, u->id, done, text);
}

/* --- start ----------------------------------------------------------------------------- */

static void upgrade_list_slots(const struct master *m, struct handover *h)
{
    for (int slot = 0; slot < BOARD_SLOTS; slot++)
        if (m->children[slot].generation || m->heir.held[slot])
            h->slots[h->slots_n++] = (struct handover_slot){ slot, m->children[slot].pid };
}

static void upgrade_list(const struct master *m, int link, struct handover *h)
{
    const struct generation *g = m->current;

    *h = (struct handover){
        .generation = g->heritage.generation, .master = getpid(), .link = link, .pid_file = m->pid
    };
    for (size_t i = 0; i < g->sockets.n; i++)
        h->sockets[h->sockets_n++] = g->sockets.v[i].fd;
    h->zones_n = zones_list(g, h->zones, HANDOVER_ZONES);
    for (uint32_t i = 0; i < m->bells.n; i++)
        h->bells[h->bells_n++] = m->bells.fd[i];
    upgrade_list_slots(m, h);
}

static bool upgrade_launch(struct master *m, const char *path, struct refusal *refusal)
{
    struct upgrade *u = &m->upgrade;
    struct handover *h = malloc(sizeof *h);
    int ends[2] = { -1, -1 };
    bool done = false;

    (void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    if (h && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0) {
        upgrade_list(m, ends[1], h);
        u->successor = spawn_successor(m, path, h);
        done = u->successor > 0;
    }
    if (!done)
        (void)refusal_errno(refusal, "cannot start the new master");
    if (ends[1] >= 0)
        (void)close(ends[1]);
    if (!done && ends[0] >= 0)
        (void)close(ends[0]);
    u->link = done ? ends[0] : -1;
    free(h);
    return done;
}

static bool upgrade_may_begin(const struct master *m, struct refusal *refusal)
{
    if (m->mode != MASTER_SERVING || m->current == NULL)
        return refusal_say(refusal, "the gateway is just starting or ending: try again");
    if (upgrade_busy(m))
        return refusal_say(refusal, "an upgrade is under way already");
    if (m->reload.coming || m->reload.wanted || m->reload.settle_by)
        return refusal_say(refusal, "a reload is under way: try again when it is done");
    if (!moving_is_over(m))
        return refusal_say(refusal, "a dictionary has changed its size, and processes from before "
                                    "still have work: try again when they have ended");
    if (getpid() == 1)
        return refusal_say(refusal, "the master is process 1, whose end is the end of all others: "
                                    "replace the container");
    return true;
}

static bool upgrade_begin(struct master *m, const char *path, struct refusal *refusal)
{
    char real[PATH_MAX];

    if (!upgrade_may_begin(m, refusal))
        return false;
    if (path[0] != '\0' && !program_check(path, real, refusal))
        return false;
    path = path[0] ? real : m->program;
    log_write(LOG_LEVEL_NOTICE, "upgrade: starting %s", path);
    if (!upgrade_launch(m, path, refusal))
        return false;
    notify_reloading();
    m->upgrade.state = UPGRADE_STARTING;
    m->upgrade.deadline = master_now() + UPGRADE_PATIENCE;
    (void)refusal_say(&m->upgrade.why, "the new master did not serve within %d ms",
                      UPGRADE_PATIENCE);
    return true;
}

void upgrade_ask(struct master *m, int slot, uint64_t id, const char *path)
{
    struct refusal refusal = { "" };
    pid_t asker = slot >= 0 ? m->children[slot].pid : 0;

    if (!upgrade_begin(m, path, &refusal)) {
        upgrade_tell(m, slot, asker, id, false, refusal.text);
        return;
    }
    m->upgrade.slot = slot;
    m->upgrade.asker = asker;
    m->upgrade.id = id;
}

/* --- the way back ---------------------------------------------------------------------- */

static void upgrade_undo(struct master *m)
{
    struct upgrade *u = &m->upgrade;

    u->state = UPGRADE_UNDONE;
    u->deadline = master_now() + UPGRADE_PATIENCE;
    (void)kill(-u->successor, SIGKILL);
    (void)kill(u->successor, SIGKILL); /* before it has made a group of its own */
    if (u->link >= 0)
        (void)close(u->link);
    u->link = -1;
}

/* Whether somebody of the successor's group is left. */
static bool upgrade_lives(const struct upgrade *u)
{
    siginfo_t info = { 0 };

    return waitid(P_PGID, (id_t)u->successor, &info, WEXITED | WNOHANG | WNOWAIT) == 0 ||
           errno != ECHILD;
}

/* Slots that the successor's processes took are free in the table of this master alone. Which ones
 * that were is not asked of the board: the successor may have had one of another layout. */
static void upgrade_mend(struct master *m)
{
    struct board_shm *board = board_of(&m->board);

    for (int slot = 0; slot < BOARD_SLOTS; slot++) {
        if (m->children[slot].generation || m->heir.held[slot])
            continue;
        zones_repair(m->generations, (uint32_t)slot);
        board_release(board, slot);
    }
    bells_ring_all(&m->bells);
}

static void upgrade_go_back(struct master *m)
{
    char status[128];
    struct refusal refusal;

    if (upgrade_lives(&m->upgrade) && master_now() < m->upgrade.deadline) {
        (void)kill(-m->upgrade.successor, SIGKILL);
        return;
    }
    upgrade_mend(m);
    if (!files_pid_renew(&m->pid, &refusal))
        log_write(LOG_LEVEL_WARN, "%s", refusal.text);
    upgrade_answer(m, false, m->upgrade.why.text);
    upgrade_clear(&m->upgrade);
    if (m->mode != MASTER_SERVING || m->current == NULL)
        return;
    master_describe(m->current, status, sizeof status);
    log_write(LOG_LEVEL_NOTICE, "nothing has changed: %s", status);
    notify_ready(status);
}

void upgrade_cancel(struct master *m)
{
    if (!upgrade_listens(m))
        return;
    (void)refusal_say(&m->upgrade.why, "the gateway ends");
    upgrade_undo(m);
}

/* --- the way on ------------------------------------------------------------------------ */

/* From here on this master only waits for what it still has to end. */
static void upgrade_supersede(struct master *m, const char *text)
{
    struct upgrade *u = &m->upgrade;

    u->state = UPGRADE_SETTLING;
    u->deadline = master_now() + UPGRADE_SETTLE;
    (void)refusal_say(&u->why, "%s", text);
    m->mode = MASTER_SUPERSEDED;
    reload_cancel(m, "another master has taken over: ask again");
    listen_leave(&m->current->sockets);
    files_pid_leave(&m->pid);
    u->settling = m->current;
    reload_retire(m, m->current);
    m->current = NULL;
}

static void upgrade_give(struct master *m)
{
    struct upgrade *u = &m->upgrade;

    if (!handover_say(u->link, HANDOVER_GO, NULL))
        return; /* it is ending: waitpid() will tell how */
    u->state = UPGRADE_GIVEN;
    u->deadline = master_now() + UPGRADE_TAKE;
    (void)refusal_say(&u->why, "the new master did not take over within %d ms", UPGRADE_TAKE);
}

static void upgrade_heed(struct master *m, enum handover_word word, const char *text)
{
    struct upgrade *u = &m->upgrade;

    if (word == HANDOVER_REFUSED) {
        (void)refusal_say(&u->why, "%s", text);
        u->refused = true;
    } else if (word == HANDOVER_READY && u->state == UPGRADE_STARTING && !u->dead) {
        upgrade_give(m);
    } else if (word == HANDOVER_UP && u->state == UPGRADE_GIVEN && !u->dead) {
        upgrade_supersede(m, text);
    }
}

/* Until this master is superseded: later the link only says, by its end, that one of both ended. */
static void upgrade_hear(struct master *m)
{
    struct upgrade *u = &m->upgrade;
    enum handover_word word;
    char text[HANDOVER_SAID];
    int got;

    while (u->link >= 0 && upgrade_listens(m) && (got = handover_hear(u->link, &word, text)) != 0) {
        if (got > 0) {
            upgrade_heed(m, word, text);
            continue;
        }
        (void)close(u->link); /* it ends: waitpid() or the deadline tells */
        u->link = -1;
    }
}

void upgrade_reaped(struct master *m, pid_t pid, int status)
{
    struct upgrade *u = &m->upgrade;
    char name[32];

    if (pid != u->successor || !upgrade_listens(m))
        return;
    u->dead = true;
    upgrade_hear(m); /* its last words */
    if (!u->refused && WIFSIGNALED(status))
        (void)refusal_say(&u->why, "the new master was killed by %s",
                          signals_name(WTERMSIG(status), name, sizeof name));
    else if (!u->refused)
        (void)refusal_say(&u->why, "the new master ended with status %d", WEXITSTATUS(status));
    upgrade_undo(m);
}

static void upgrade_settle(struct master *m)
{
    struct upgrade *u = &m->upgrade;

    if (!supervise_retired(m, u->settling) && master_now() < u->deadline)
        return;
    upgrade_answer(m, true, u->why.text);
    u->state = UPGRADE_NONE; /* the link stays: the other side sees by it that this master ends */
}

void upgrade_turn(struct master *m)
{
    struct upgrade *u = &m->upgrade;

    if (upgrade_listens(m))
        upgrade_hear(m);
    if (upgrade_listens(m) && master_now() >= u->deadline)
        upgrade_undo(m);
    if (u->state == UPGRADE_UNDONE)
        upgrade_go_back(m);
    else if (u->state == UPGRADE_SETTLING)
        upgrade_settle(m);
}

int64_t upgrade_next(const struct master *m)
{
    switch (m->upgrade.state) {
    case UPGRADE_UNDONE:
        return master_now() + UPGRADE_LOOK;
    case UPGRADE_STARTING:
    case UPGRADE_GIVEN:
    case UPGRADE_SETTLING:
        return m->upgrade.deadline;
    default:
        return INT64_MAX;
    }
}
