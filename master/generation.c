/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Generations share what stays the same: a zone or a listening socket that the new configuration
 * still wants is handed on, not made anew. So a generation that goes drops only those zones that no
 * other living one names.
 */
#include "master/generation.h"
#include "master/files.h"
#include "master/listen.h"
#include "master/moving.h"
#include "master/reload.h"
#include "master/zones.h"
#include "worker/base/log.h"
#include <stdlib.h>
#include <unistd.h>

static void generation_link(struct master *m, struct generation *g)
{
    g->next = m->generations;
    m->generations = g;
}

static void generation_unlink(struct master *m, struct generation *g)
{
    struct generation **at = &m->generations;
    while (*at && *at != g)
        at = &(*at)->next;
    if (*at)
        *at = g->next;
}

static void generation_free(struct master *m, struct generation *g)
{
    generation_unlink(m, g);
    listen_abandon(&g->sockets);
    zones_drop(g, m->generations);
    conf_free(&g->conf);
    free(g);
}

static bool generation_fill(struct master *m, struct generation *g, struct generation *old,
                            struct refusal *refusal)
{
    if (!sandbox_lookup(g->conf->user.s, &g->user, refusal) ||
        !files_prepare(g->conf, &g->user, refusal) || !zones_take(g, old, refusal) ||
        !listen_take(g, old, refusal))
        return false;
    moving_prepare(m, g);
    return true;
}

struct generation *generation_make(struct master *m, const struct conf *conf,
                                   struct refusal *refusal)
{
    struct generation *g = calloc(1, sizeof *g), *old = m->current ? m->current : m->heir.legacy;

    if (g == NULL) {
        (void)refusal_errno(refusal, "no memory for a generation");
        conf_free(&conf);
        return NULL;
    }
    g->conf = conf;
    g->state = GENERATION_STARTING;
    zones_clear(&g->heritage);
    g->heritage.conf = conf;
    g->heritage.master = getpid();
    /* A refused load does not count: its rows in shared memory are then those of the next attempt.
     */
    g->heritage.generation = old ? old->heritage.generation + 1 : 1;
    g->heritage.board = m->board;
    g->heritage.tickets = m->tickets;
    g->heritage.bells = m->bells;
    generation_link(m, g);
    if (!generation_fill(m, g, old, refusal)) {
        generation_free(m, g);
        moving_part(m);
        return NULL;
    }
    if (g->user.fallback && m->current == NULL)
        log_write(LOG_LEVEL_WARN, "there is no user \"%s\": processes run as \"nobody\"",
                  conf->user.s);
    sandbox_descriptors(conf->worker_connections);
    return g;
}

void generation_collect(struct master *m)
{
    struct generation *g = m->generations, *next;
    bool gone = false;

    for (; g; g = next) {
        next = g->next;
        if (g->state < GENERATION_RETIRING || g->children > 0)
            continue;
        generation_free(m, g);
        gone = true;
    }
    if (!gone)
        return;
    moving_part(m);
    if (moving_may_catch_up(m)) {
        log_write(LOG_LEVEL_NOTICE, "dictionaries change their size in a reload that follows");
        reload_ask(m, -1, 0);
    }
}

void generation_free_all(struct master *m)
{
    while (m->generations)
        generation_free(m, m->generations);
}
