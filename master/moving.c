/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order, so that no purge is missed: first every process that purges in the old zone knows the
 * new one, then the mover copies (worker/mover.c), then the processes of the new generation start,
 * which know both from their heritage. A process of the old generation that is replaced meanwhile
 * finds the twin in its heritage, too.
 */
#include "master/moving.h"
#include "master/role.h"
#include "master/zones.h"
#include "shm/cache_move.h"
#include "worker/base/log.h"
#include <string.h>

static const struct zone moving_none = { .fd = -1 };

_Static_assert(HERITAGE_DICTS_MAX <= 32, "a bit for each dictionary");

/* The index of a zone among the dictionaries of a generation; -1: it has it not. */
static int moving_find(const struct generation *g, const struct zone *zone)
{
    for (int i = 0; i < HERITAGE_DICTS_MAX; i++)
        if (g->heritage.dicts[i].shm == zone->shm)
            return i;
    return -1;
}

static struct zone *moving_by_name(struct generation *g, const char *name)
{
    for (size_t i = 0; i < HERITAGE_DICTS_MAX; i++)
        if (g->heritage.dicts[i].shm && strcmp(g->dicts[i], name) == 0)
            return &g->heritage.dicts[i];
    return NULL;
}

/* Whether some generation still has a twin for it, or processes of another master use it, who
 * cannot be told of one. */
static bool moving_is_busy(const struct master *m, const struct zone *zone)
{
    if (m->heir.link >= 0 || m->heir.gone_by)
        return true;
    for (const struct generation *g = m->generations; g; g = g->next) {
        int i = moving_find(g, zone);
        if (i >= 0 && g->heritage.twins[i].shm)
            return true;
    }
    return false;
}

static void moving_pair(struct master *m, struct generation *g, size_t i, const struct zone *from)
{
    const struct zone *to = &g->heritage.dicts[i];

    cache_move_kin(to, from);
    for (struct generation *other = m->generations; other; other = other->next) {
        int k = moving_find(other, from);
        if (k >= 0)
            other->heritage.twins[k] = *to;
    }
    g->heritage.twins[i] = *from;
    g->heritage.moves |= UINT32_C(1) << i;
}

/* A zone that stays may have a twin still. */
static void moving_keep(struct generation *g, size_t i, const struct generation *old)
{
    int k = moving_find(old, &g->heritage.dicts[i]);

    if (k >= 0)
        g->heritage.twins[i] = old->heritage.twins[k];
}

/* The dictionary keeps the zone that it has for now: moving_may_catch_up(). */
static void moving_stay(struct master *m, struct generation *g, size_t i, const struct zone *from)
{
    struct zone made = g->heritage.dicts[i];

    g->heritage.dicts[i] = *from;
    zones_release(&made, m->generations);
}

void moving_prepare(struct master *m, struct generation *g)
{
    for (size_t i = 0; m->current && i < HERITAGE_DICTS_MAX; i++) {
        const struct zone *from;
        if (g->heritage.dicts[i].shm == NULL)
            continue;
        from = moving_by_name(m->current, g->dicts[i]);
        if (from == NULL)
            continue;
        if (from->shm == g->heritage.dicts[i].shm)
            moving_keep(g, i, m->current);
        else if (moving_is_busy(m, from)) {
            log_write(LOG_LEVEL_WARN,
                      "shared dict %s keeps its size for now: processes from before its last "
                      "change of size, or of another master, still have work",
                      g->dicts[i]);
            moving_stay(m, g, i, from);
            moving_keep(g, i, m->current);
        } else
            moving_pair(m, g, i, from);
    }
}

bool moving_is_needed(const struct generation *g)
{
    return g->heritage.moves != 0;
}

bool moving_is_over(const struct master *m)
{
    for (const struct generation *g = m->generations; g; g = g->next)
        for (size_t i = 0; i < HERITAGE_DICTS_MAX; i++)
            if (g->heritage.twins[i].shm)
                return false;
    return true;
}

/* --- processes ------------------------------------------------------------------------- */

static bool moving_concerns(const struct child *c, const struct generation *g)
{
    return c->generation == g && (role_table[c->role].sandbox & ROLE_CACHES) && c->pid > 0 &&
           c->channel >= 0;
}

void moving_announce(struct master *m, const struct generation *g)
{
    for (int slot = 0; slot < BOARD_SLOTS; slot++) {
        struct child *c = &m->children[slot];
        if (c->generation == NULL || c->generation == g || !moving_concerns(c, c->generation))
            continue;
        for (int i = 0; i < HERITAGE_DICTS_MAX; i++) {
            const struct zone *twin = &c->generation->heritage.twins[i];
            if (twin->shm == NULL || moving_find(g, twin) < 0)
                continue;
            c->owes++;
            if (!channel_send_fd(c->channel, CHANNEL_TWIN, (uint32_t)i, twin->fd))
                log_errno(LOG_LEVEL_WARN, "pid %d cannot be told of a dictionary", (int)c->pid);
        }
    }
}

bool moving_is_known(const struct master *m)
{
    for (int slot = 0; slot < BOARD_SLOTS; slot++)
        if (m->children[slot].generation && m->children[slot].owes > 0)
            return false;
    return true;
}

/* --- the end --------------------------------------------------------------------------- */

static void moving_release(struct master *m, struct generation *g, int i)
{
    struct zone zone = g->heritage.twins[i];

    g->heritage.twins[i] = moving_none;
    for (int slot = 0; slot < BOARD_SLOTS; slot++)
        if (moving_concerns(&m->children[slot], g))
            (void)channel_send(m->children[slot].channel, CHANNEL_ALONE, (uint32_t)i, 0, NULL, 0);
    zones_release(&zone, m->generations);
}

void moving_abandon(struct master *m, struct generation *g)
{
    uint32_t moves = g->heritage.moves;
    struct zone from[HERITAGE_DICTS_MAX];

    memcpy(from, g->heritage.twins, sizeof from);
    for (struct generation *other = m->generations; other; other = other->next)
        for (int i = 0; i < HERITAGE_DICTS_MAX; i++) {
            const struct zone *twin = &other->heritage.twins[i];
            int k = twin->shm == NULL ? -1 : other == g ? i : moving_find(g, twin);
            if (k >= 0 && g->heritage.moves >> k & 1)
                moving_release(m, other, i);
        }
    for (size_t i = 0; i < HERITAGE_DICTS_MAX; i++)
        if (moves >> i & 1)
            moving_stay(m, g, i, &from[i]);
    g->heritage.moves = 0;
    for (int slot = 0; slot < BOARD_SLOTS; slot++)
        m->children[slot].owes = 0;
}

static bool moving_is_somebodys(const struct master *m, const struct zone *zone)
{
    for (const struct generation *g = m->generations; g; g = g->next)
        if (moving_find(g, zone) >= 0)
            return true;
    return false;
}

void moving_part(struct master *m)
{
    for (struct generation *g = m->generations; g; g = g->next)
        for (int i = 0; i < HERITAGE_DICTS_MAX; i++)
            if (g->heritage.twins[i].shm && !moving_is_somebodys(m, &g->heritage.twins[i]))
                moving_release(m, g, i);
}

bool moving_may_catch_up(const struct master *m)
{
    const struct generation *g = m->current;

    return m->mode == MASTER_SERVING && g && m->generations == g && g->next == NULL &&
           !m->heir.gone_by && m->heir.link < 0 && !zones_fit(g);
}
