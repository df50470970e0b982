/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A slot belongs to a generation's process, not to one pid: who dies unasked is replaced in the
 * same slot, with the same role and index, so that the successor finds and takes back what was left
 * under that slot in shared memory. Locks are broken before the successor starts. Everything that a
 * dead child left is copied, bounded and made printable.
 */
#include "master/supervise.h"
#include "master/role.h"
#include "master/signals.h"
#include "master/spawn.h"
#include "master/upgrade.h"
#include "master/zones.h"
#include "worker/base/log.h"
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SUPERVISE_RETRY = 200, SUPERVISE_QUICK_MAX = 64 };

static bool supervise_of(const struct child *c, const struct generation *g)
{
    return c->generation && (g == NULL || c->generation == g);
}

/* --- slots ----------------------------------------------------------------------------- */

static bool supervise_taken(const struct master *m, int slot)
{
    return m->children[slot].generation || m->heir.held[slot];
}

/* A slot that is free on the board, or if that has been scribbled on, by the master's own table;
 * -1: none. */
static int supervise_find_slot(const struct master *m)
{
    const struct board_shm *board = board_of(&m->board);
    int other = -1;

    for (int slot = 0; slot < BOARD_SLOTS; slot++) {
        if (supervise_taken(m, slot))
            continue;
        if (atomic_load(&board->rows[slot].state) == BOARD_FREE)
            return slot;
        if (other < 0)
            other = slot;
    }
    return other;
}

static bool supervise_claim(struct master *m, struct generation *g, enum heritage_role role,
                            uint32_t index)
{
    int slot = supervise_find_slot(m);

    if (slot < 0)
        return false;
    board_assign(board_of(&m->board), slot, role, index, g->heritage.generation);
    m->children[slot] = (struct child){
        .generation = g, .role = role, .index = index, .channel = -1, .due = master_now()
    };
    g->children++;
    return true;
}

static void supervise_release(struct master *m, int slot)
{
    struct child *c = &m->children[slot];

    if (c->channel >= 0)
        (void)close(c->channel);
    c->generation->children--;
    *c = (struct child){ .channel = -1 };
    board_release(board_of(&m->board), slot);
}

bool supervise_populate(struct master *m, struct generation *g, struct refusal *refusal)
{
    for (size_t role = 0; role < ROLE_COUNT; role++) {
        uint32_t n = role_table[role].count(g->conf);
        for (uint32_t i = 0; i < n; i++) {
            if (supervise_claim(m, g, (enum heritage_role)role, i))
                continue;
            supervise_forget(m, g);
            return refusal_say(refusal,
                               "no room for %u more processes beside those that still drain "
                               "(%d at most)",
                               role_processes(g->conf), BOARD_SLOTS);
        }
    }
    return true;
}

bool supervise_add(struct master *m, struct generation *g, enum heritage_role role)
{
    return supervise_claim(m, g, role, 0);
}

bool supervise_has(const struct master *m, const struct generation *g)
{
    for (int slot = 0; slot < BOARD_SLOTS; slot++)
        if (supervise_of(&m->children[slot], g))
            return true;
    return false;
}

void supervise_forget(struct master *m, const struct generation *g)
{
    for (int slot = 0; slot < BOARD_SLOTS; slot++)
        if (supervise_of(&m->children[slot], g) && m->children[slot].pid == 0)
            supervise_release(m, slot);
}

/* --- starting -------------------------------------------------------------------------- */

static bool supervise_waits(const struct child *c)
{
    return c->generation && c->pid == 0;
}

static void supervise_postpone(struct master *m, struct child *c)
{
    struct refusal why;
    char title[32];

    role_title(c->role, c->index, title, sizeof title);
    (void)refusal_errno(&why, "cannot start %s", title);
    log_rarely(LOG_LEVEL_ERROR, "%s; it is tried again every %d ms", why.text, SUPERVISE_RETRY);
    if (c->generation == m->reload.coming)
        m->reload.why = why;
    c->due = master_now() + SUPERVISE_RETRY;
}

void supervise_start(struct master *m)
{
    for (int slot = 0; slot < BOARD_SLOTS; slot++) {
        struct child *c = &m->children[slot];
        if (supervise_waits(c) && c->due <= master_now() && !spawn_child(m, slot))
            supervise_postpone(m, c);
    }
}

int64_t supervise_next(const struct master *m)
{
    int64_t next = INT64_MAX;

    for (int slot = 0; slot < BOARD_SLOTS; slot++)
        if (supervise_waits(&m->children[slot]) && m->children[slot].due < next)
            next = m->children[slot].due;
    return next;
}

/* --- telling --------------------------------------------------------------------------- */

void supervise_tell(struct master *m, const struct generation *g, enum channel_op op)
{
    char title[32];

    for (int slot = 0; slot < BOARD_SLOTS; slot++) {
        struct child *c = &m->children[slot];
        if (!supervise_of(c, g) || c->channel < 0 || channel_send(c->channel, op, 0, 0, NULL, 0))
            continue;
        role_title(c->role, c->index, title, sizeof title);
        if (errno != EPIPE && errno != ECONNRESET)
            log_errno(LOG_LEVEL_WARN, "%s (pid %d) does not listen to the master", title,
                      (int)c->pid);
    }
}

void supervise_signal(struct master *m, const struct generation *g, int sig)
{
    for (int slot = 0; slot < BOARD_SLOTS; slot++)
        if (supervise_of(&m->children[slot], g) && m->children[slot].pid > 0)
            (void)kill(m->children[slot].pid, sig);
}

bool supervise_ready(const struct master *m, const struct generation *g)
{
    for (int slot = 0; slot < BOARD_SLOTS; slot++)
        if (supervise_of(&m->children[slot], g) && !m->children[slot].ready)
            return false;
    return true;
}

bool supervise_retired(const struct master *m, const struct generation *g)
{
    for (int slot = 0; slot < BOARD_SLOTS; slot++) {
        const struct child *c = &m->children[slot];
        if (supervise_of(c, g) && c->role == ROLE_WORKER && c->pid > 0 && !c->retired)
            return false;
    }
    return true;
}

unsigned supervise_alive(const struct master *m, const struct generation *g)
{
    unsigned n = 0;

    for (int slot = 0; slot < BOARD_SLOTS; slot++)
        n += supervise_of(&m->children[slot], g) && m->children[slot].pid > 0;
    return n;
}

/* One that does not get the word would never accept: another one takes its place. */
static void supervise_admit(const struct child *c)
{
    if (c->role != ROLE_WORKER || !c->ready || c->generation->state != GENERATION_CURRENT ||
        c->channel < 0 || channel_send(c->channel, CHANNEL_SERVE, 0, 0, NULL, 0))
        return;
    log_errno(LOG_LEVEL_WARN, "worker %u (pid %d) cannot be told to serve", c->index, (int)c->pid);
    (void)kill(c->pid, SIGKILL);
}

void supervise_let_serve(struct master *m, const struct generation *g)
{
    for (int slot = 0; slot < BOARD_SLOTS; slot++)
        if (supervise_of(&m->children[slot], g))
            supervise_admit(&m->children[slot]);
}

void supervise_serves(struct child *c)
{
    char title[32];

    c->ready = true;
    supervise_admit(c);
    if (c->missed == 0)
        return;
    role_title(c->role, c->index, title, sizeof title);
    log_write(LOG_LEVEL_NOTICE, "%s (pid %d) serves in the place of pid %d after %" PRId64 " ms",
              title, (int)c->pid, (int)c->before, master_now() - c->missed);
    c->missed = 0;
}

/* --- the end of a child ---------------------------------------------------------------- */

static void supervise_cause(int status, char *out, size_t size)
{
    char name[32];

    if (WIFSIGNALED(status))
        (void)snprintf(out, size, "was killed by %s",
                       signals_name(WTERMSIG(status), name, sizeof name));
    else
        (void)snprintf(out, size, "ended with status %d", WEXITSTATUS(status));
}

/* "worker 1 (pid 4711) was killed by SIGSEGV; last words: ..." */
static void supervise_obituary(const struct master *m, int slot, int status, struct refusal *out)
{
    const struct child *c = &m->children[slot];
    char title[32], cause[64], words[BOARD_WORDS];

    role_title(c->role, c->index, title, sizeof title);
    supervise_cause(status, cause, sizeof cause);
    board_words(board_of(&m->board), slot, words, sizeof words);
    (void)refusal_say(out, "%s (pid %d) %s%s%s", title, (int)c->pid, cause,
                      words[0] ? "; last words: " : "", words);
}

/* The dead child's slot waits for a successor. Who died before it served died young, however long
 * it took to get as far as that. */
static int supervise_plan(struct child *c, bool served)
{
    const struct role_restart *restart = role_table[c->role].restart;
    int64_t now = master_now(), lived = now - c->started;
    int delay;

    if (served && lived >= restart->forget)
        c->quick = 0;
    else if ((!served || lived < restart->quick) && c->quick < SUPERVISE_QUICK_MAX)
        c->quick++;
    delay = role_delay(restart, c->quick);
    c->due = now + delay;
    return delay;
}

static void supervise_replace(struct master *m, int slot, bool served,
                              const struct refusal *obituary)
{
    struct child *c = &m->children[slot];
    int delay = supervise_plan(c, served);

    if (delay > 0)
        log_write(LOG_LEVEL_ERROR, "%s; it dies young, the next one starts in %d ms",
                  obituary->text, delay);
    else
        log_write(LOG_LEVEL_ERROR, "%s; a new one takes its place", obituary->text);
    atomic_fetch_add(&board_of(&m->board)->restarts, 1);
    if (c->generation == m->reload.coming && c->quick >= role_table[c->role].restart->patience) {
        m->reload.failed = true;
        m->reload.why = *obituary;
    }
}

static void supervise_bury(struct master *m, int slot, int status)
{
    struct child *c = &m->children[slot];
    struct refusal obituary;
    bool goes_on = m->mode == MASTER_SERVING && c->generation->state < GENERATION_RETIRING &&
                   role_table[c->role].restart != NULL;
    bool served = c->ready;

    if (c->missed == 0) { /* else it died before it served, and the gap goes on */
        c->missed = master_now();
        c->before = c->pid;
    }
    supervise_obituary(m, slot, status, &obituary);
    zones_repair(m->generations, (uint32_t)slot);
    bells_ring_all(&m->bells); /* who waits for what it was making looks again */
    if (c->channel >= 0)
        (void)close(c->channel);
    c->channel = -1;
    c->pid = 0;
    c->ready = false;
    c->owes = 0; /* who takes its place inherits them */
    if (goes_on) {
        supervise_replace(m, slot, served, &obituary);
        return;
    }
    log_write(status == 0 ? LOG_LEVEL_INFO : LOG_LEVEL_NOTICE, "%s", obituary.text);
    supervise_release(m, slot);
}

void supervise_reap(struct master *m)
{
    int status, slot;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        for (slot = 0; slot < BOARD_SLOTS; slot++)
            if (m->children[slot].generation && m->children[slot].pid == pid)
                break;
        if (slot < BOARD_SLOTS)
            supervise_bury(m, slot, status);
        else
            upgrade_reaped(m, pid, status);
    }
}
