/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fork(), and what a child does until it is a worker, the checker or the control process: it lets
 * go of everything that is not its own (other children's channels, sockets of other roles, zones of
 * other generations, which would keep a dropped cache in memory), opens its log, gives up its
 * rights, and calls its entry. It never returns into the master's code.
 */
#include "master/spawn.h"
#include "master/role.h"
#include "master/signals.h"
#include "master/title.h"
#include "master/zones.h"
#include "worker/base/log.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SPAWN_ARGUMENTS = 64 };

/* --- in the child ---------------------------------------------------------------------- */

static void spawn_close(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

/* What the master holds for itself and for the other children. The structs are the child's copy by
 * now. */
static void spawn_forget_master(struct master *m)
{
    spawn_close(&m->signals);
    spawn_close(&m->pid.fd);
    spawn_close(&m->upgrade.link);
    spawn_close(&m->heir.link);
    for (int i = 0; i < BOARD_SLOTS; i++)
        if (m->children[i].generation)
            spawn_close(&m->children[i].channel);
}

/* Sockets by descriptor: a generation that starts shares most of them with the one that serves. */
static bool spawn_keeps(const struct heritage *h, int fd)
{
    for (size_t i = 0; i < HERITAGE_LISTENERS_MAX; i++)
        if (h->proxy[i] == fd)
            return true;
    return h->control == fd || h->status == fd || h->admin == fd;
}

static void spawn_forget_sockets(struct master *m, const struct heritage *kept)
{
    for (struct generation *g = m->generations; g; g = g->next)
        for (size_t i = 0; i < g->sockets.n; i++)
            if (!spawn_keeps(kept, g->sockets.v[i].fd))
                (void)close(g->sockets.v[i].fd);
}

static void spawn_forget_zones(struct master *m, struct generation *own)
{
    struct generation *rest = NULL, *g, *next;

    for (g = m->generations; g; g = next) {
        next = g->next;
        g->next = rest;
        if (g != own)
            rest = g;
    }
    while (rest) {
        g = rest;
        rest = g->next;
        own->next = rest;
        zones_drop(g, own);
    }
    own->next = NULL;
}

static void spawn_take_doors(struct heritage *h, unsigned sandbox)
{
    if (!(sandbox & ROLE_PROXY_DOORS))
        for (size_t i = 0; i < HERITAGE_LISTENERS_MAX; i++)
            h->proxy[i] = -1;
    if (!(sandbox & ROLE_PROXY_DOORS))
        bells_drop(&h->bells);
    if (!(sandbox & ROLE_CONTROL_DOORS))
        h->control = h->status = h->admin = -1;
}

static void spawn_open_log(const struct conf *conf, const struct heritage *h)
{
    char title[32];

    role_title(h->role, h->index, title, sizeof title);
    title_set(title);
    (void)log_open(conf->error_log.s, (enum log_level)conf->log_level, title);
}

static _Noreturn void spawn_live(struct master *m, int slot, int channel)
{
    struct child *c = &m->children[slot];
    struct generation *g = c->generation;
    const struct role *role = &role_table[c->role];
    struct heritage h = g->heritage;
    struct board_row_shm *row = &board_of(&h.board)->rows[slot];

    h.role = c->role;
    h.index = c->index;
    h.slot = (uint32_t)slot;
    h.channel = channel;
    spawn_take_doors(&h, role->sandbox);
    signals_child();
    spawn_forget_master(m);
    spawn_forget_sockets(m, &h);
    spawn_forget_zones(m, g);
    m->generations = g;
    spawn_open_log(g->conf, &h);
    if (g->conf->worker_cpu_affinity && (role->sandbox & ROLE_PINNED))
        sandbox_pin(h.index);
    if (!(role->sandbox & ROLE_DROPS_RIGHTS))
        g->user.change = false;
    if (!sandbox_enter(&g->user, h.master))
        _exit(1);
    atomic_store(&row->pid, getpid());
    board_catch(row);
    _exit(role->entry(&h));
}

/* --- in the master --------------------------------------------------------------------- */

bool spawn_child(struct master *m, int slot)
{
    struct child *c = &m->children[slot];
    int ends[2], why;
    pid_t pid;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) < 0)
        return false;
    board_assign(board_of(&m->board), slot, c->role, c->index, c->generation->heritage.generation);
    pid = fork();
    if (pid == 0) {
        (void)close(ends[0]);
        spawn_live(m, slot, ends[1]);
    }
    why = errno;
    (void)close(ends[1]);
    if (pid < 0) {
        (void)close(ends[0]);
        errno = why;
        return false;
    }
    c->pid = pid;
    c->channel = ends[0];
    c->ready = false;
    c->started = master_now();
    atomic_store(&board_of(&m->board)->rows[slot].pid, pid);
    return true;
}

/* --- another master -------------------------------------------------------------------- */

/* Signals stay blocked over exec: none is lost, and none ends it before it listens to them. */
static _Noreturn void spawn_execute(const struct master *m, const char *path,
                                    const struct handover *h)
{
    static char text[HANDOVER_TEXT];
    struct refusal why = { "" };
    char *argv[SPAWN_ARGUMENTS + 1] = { (char *)(uintptr_t)path };

    for (int i = 1; i < SPAWN_ARGUMENTS && m->argv[i]; i++)
        argv[i] = m->argv[i];
    (void)setpgid(0, 0);
    if (handover_print(h, text, sizeof text) && setenv(HANDOVER_VARIABLE, text, 1) == 0 &&
        handover_close_on_exec(h, false))
        (void)execv(path, argv);
    (void)refusal_errno(&why, "cannot run %s", path);
    (void)handover_say(h->link, HANDOVER_REFUSED, why.text);
    _exit(127);
}

pid_t spawn_successor(struct master *m, const char *path, const struct handover *h)
{
    pid_t pid = fork();

    if (pid == 0)
        spawn_execute(m, path, h);
    if (pid > 0)
        (void)setpgid(pid, pid); /* whoever comes first */
    return pid;
}
