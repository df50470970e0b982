/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is inherited is a generation without processes and without a configuration: the first
 * generation made here takes from it what still fits, as it would in a reload; what is left over is
 * closed when it is dropped. The older master's slots stay its own until it has ended and none of
 * its processes lives: after an orderly end that is so at once; after a kill -9 they die by the
 * kernel's hand, and what they held in shared memory is mended here.
 */
#include "master/heir.h"
#include "master/handover.h"
#include "master/listen.h"
#include "master/reload.h"
#include "master/zones.h"
#include "worker/base/log.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { HEIR_LOOK = 10, HEIR_PATIENCE = 3000 }; /* ms */

void heir_clear(struct heir *heir)
{
    *heir = (struct heir){ .link = -1 };
}

bool heir_is_one(const struct master *m)
{
    return m->heir.legacy != NULL;
}

/* --- taking ---------------------------------------------------------------------------- */

static void heir_take_zones(struct master *m, const struct handover *h)
{
    struct generation *legacy = m->heir.legacy;
    char name[REGION_NAME_MAX];
    size_t n = 0;

    for (size_t i = 0; i < h->zones_n; i++) {
        if (zones_inherit(legacy, &h->zones[i]))
            continue;
        region_name(h->zones[i].fd, name);
        log_write(LOG_LEVEL_WARN,
                  "shared memory \"%s\" has a layout that is not known here, or says another thing "
                  "of itself than the other master: it is made anew",
                  name);
        if (n < sizeof m->heir.dropped - 1)
            n += (size_t)snprintf(m->heir.dropped + n, sizeof m->heir.dropped - n, "%s%s",
                                  n ? ", " : "", name);
        (void)close(h->zones[i].fd);
    }
    m->board = legacy->heritage.board;
    m->tickets = legacy->heritage.tickets;
}

static void heir_take_rest(struct master *m, const struct handover *h)
{
    struct heir *heir = &m->heir;

    for (size_t i = 0; i < h->sockets_n; i++)
        if (!listen_inherit(&heir->legacy->sockets, &heir->addresses[i], h->sockets[i]))
            (void)close(h->sockets[i]);
    for (size_t i = 0; i < h->bells_n; i++)
        m->bells.fd[m->bells.n++] = h->bells[i];
    for (size_t i = 0; i < h->slots_n; i++) {
        heir->held[h->slots[i].slot] = true;
        heir->pids[h->slots[i].slot] = h->slots[i].pid;
    }
    m->pid = h->pid_file;
    heir->link = h->link;
    heir->master = h->master;
}

static bool heir_take(struct master *m, const char *text, struct handover *h,
                      struct refusal *refusal)
{
    struct generation *legacy = calloc(1, sizeof *legacy);

    m->heir.addresses = calloc(MASTER_SOCKETS, sizeof *m->heir.addresses);
    if (legacy == NULL || m->heir.addresses == NULL) {
        free(legacy);
        return refusal_errno(refusal, "no memory for what the other master hands over");
    }
    m->heir.legacy = legacy;
    legacy->state = GENERATION_INHERITED;
    zones_clear(&legacy->heritage);
    if (!handover_parse(text, h, refusal))
        return false;
    if (!handover_close_on_exec(h, true))
        return refusal_errno(refusal, "a descriptor that the other master hands over is none");
    legacy->heritage.generation = h->generation;
    heir_take_zones(m, h);
    heir_take_rest(m, h);
    legacy->next = m->generations;
    m->generations = legacy;
    return true;
}

bool heir_begin(struct master *m, struct refusal *refusal)
{
    const char *text = getenv(HANDOVER_VARIABLE);
    struct handover *h;
    bool done;

    if (text == NULL)
        return true;
    h = malloc(sizeof *h);
    done = h ? heir_take(m, text, h, refusal) : refusal_errno(refusal, "no memory");
    free(h);
    (void)unsetenv(HANDOVER_VARIABLE);
    return done;
}

/* --- commit ---------------------------------------------------------------------------- */

bool heir_has_asked(const struct master *m)
{
    return m->heir.legacy != NULL && m->heir.asked;
}

bool heir_may_commit(struct master *m)
{
    struct heir *heir = &m->heir;

    if (heir->legacy == NULL || heir->go)
        return true;
    if (!heir->asked)
        heir->asked = handover_say(heir->link, HANDOVER_READY, NULL) || errno != EAGAIN;
    return false;
}

void heir_take_over(struct master *m, const char *text)
{
    char said[HANDOVER_SAID];
    struct refusal refusal;

    if (m->heir.legacy == NULL)
        return;
    if (!files_pid_renew(&m->pid, &refusal))
        log_write(LOG_LEVEL_WARN, "%s", refusal.text);
    (void)snprintf(
        said, sizeof said, "version %s, process %d: %s%s%s", GATEWAY_VERSION, (int)getpid(), text,
        m->heir.dropped[0] ? "; made anew, its layout was another: " : "", m->heir.dropped);
    if (m->heir.link >= 0)
        (void)handover_say(m->heir.link, HANDOVER_UP, said);
    log_write(LOG_LEVEL_NOTICE, "took over from process %d: %s", (int)m->heir.master, said);
}

void heir_settle(struct master *m)
{
    if (m->heir.legacy == NULL)
        return;
    m->heir.legacy->state = GENERATION_RETIRING; /* nobody is in it: to be freed in this turn */
    m->heir.legacy = NULL;
    free(m->heir.addresses);
    m->heir.addresses = NULL;
}

void heir_decline(struct master *m, const char *why)
{
    if (m->heir.legacy && m->heir.link >= 0)
        (void)handover_say(m->heir.link, HANDOVER_REFUSED, why);
}

/* --- the end of the one before --------------------------------------------------------- */

/* A zombie is gone as well: whoever should bury it may never do. */
static bool heir_is_gone(pid_t pid)
{
    struct pollfd p = { .events = POLLIN };
    bool gone;

    if (pid <= 0)
        return true;
    p.fd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (p.fd < 0)
        return errno == ESRCH;
    gone = poll(&p, 1, 0) > 0;
    (void)close(p.fd);
    return gone;
}

/* Who is in a slot stands on the board, if that is the same one for both. */
static bool heir_all_gone(const struct master *m)
{
    struct board_shm *board = board_of(&m->board);

    if (!heir_is_gone(m->heir.master))
        return false;
    for (int slot = 0; slot < BOARD_SLOTS; slot++) {
        if (!m->heir.held[slot])
            continue;
        if (!heir_is_gone(atomic_load(&board->rows[slot].pid)) ||
            (m->heir.pids[slot] != 0 && !heir_is_gone(m->heir.pids[slot])))
            return false;
    }
    return true;
}

static void heir_mend(struct master *m)
{
    for (int slot = 0; slot < BOARD_SLOTS; slot++) {
        if (!m->heir.held[slot])
            continue;
        zones_repair(m->generations, (uint32_t)slot);
        board_release(board_of(&m->board), slot);
        m->heir.held[slot] = false;
    }
    bells_ring_all(&m->bells);
    m->heir.gone_by = 0;
    log_write(LOG_LEVEL_INFO, "the master before, process %d, has ended", (int)m->heir.master);
    if (m->mode == MASTER_SERVING && m->current && !zones_fit(m->current)) {
        log_write(LOG_LEVEL_NOTICE, "dictionaries change their size in a reload that follows");
        reload_ask(m, -1, 0);
    }
}

static void heir_hear(struct master *m)
{
    struct heir *heir = &m->heir;
    enum handover_word word;
    char text[HANDOVER_SAID];
    int got;

    while (heir->link >= 0 && (got = handover_hear(heir->link, &word, text)) != 0) {
        if (got > 0) {
            heir->go |= word == HANDOVER_GO;
            continue;
        }
        if (heir->legacy && !heir->go)
            log_write(LOG_LEVEL_WARN, "the master before, process %d, has ended too early",
                      (int)heir->master);
        (void)close(heir->link);
        heir->link = -1;
        heir->go = true; /* nobody is left to ask */
        heir->gone_by = master_now() + HEIR_PATIENCE;
    }
}

void heir_turn(struct master *m)
{
    heir_hear(m);
    if (m->heir.gone_by && (heir_all_gone(m) || master_now() >= m->heir.gone_by))
        heir_mend(m);
}

int64_t heir_next(const struct master *m)
{
    return m->heir.gone_by ? master_now() + HEIR_LOOK : INT64_MAX;
}

void heir_signal(const struct master *m, int sig)
{
    if (m->heir.link >= 0 && m->heir.go)
        (void)kill(m->heir.master, sig);
}
