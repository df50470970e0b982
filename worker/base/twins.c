/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What cannot be attached is not acknowledged: then the master does not let the content move, and
 * the new zone begins empty.
 */
#include "worker/base/twins.h"
#include "shm/cache_move.h"
#include "worker/base/log.h"
#include <unistd.h>

static void drop(struct twins *t, uint32_t i)
{
    if (t->caches[i])
        cache_move_twin(t->caches[i], NULL);
    if (t->v[i].cache)
        cache_detach(&t->v[i].cache);
    region_drop(&t->v[i].zone);
}

static bool attach(struct twins *t, uint32_t i, const struct zone *zone)
{
    if (!t->caches[i]) /* nothing is done with that dictionary here */
        return true;
    t->v[i].cache = cache_attach(zone, t->heritage->slot);
    if (!t->v[i].cache)
        return false;
    cache_move_twin(t->caches[i], t->v[i].cache);
    return true;
}

void twins_open(struct twins *t, const struct heritage *heritage, struct cache **caches)
{
    *t = (struct twins){ .heritage = heritage, .caches = caches };
    for (uint32_t i = 0; i < HERITAGE_DICTS_MAX; i++) {
        t->v[i].zone.fd = -1;
        if (i >= heritage->conf->shared_dicts_n || !heritage->twins[i].shm)
            continue;
        t->v[i].zone = heritage->twins[i];
        if (!attach(t, i, &heritage->twins[i]))
            log_write(LOG_LEVEL_ERROR, "shared dict %s: what is purged stays in its other zone",
                      heritage->conf->shared_dicts[i].name.s);
    }
}

static void take(struct twins *t, uint32_t i, int passed)
{
    struct zone zone;

    drop(t, i);
    if (passed < 0 || !region_adopt(&zone, ZONE_CACHE, CACHE_VERSION, passed)) {
        if (passed >= 0)
            (void)close(passed);
        return;
    }
    t->v[i].zone = zone;
    if (attach(t, i, &zone))
        (void)channel_send(t->heritage->channel, CHANNEL_TWINNED, i, 0, NULL, 0);
    else
        drop(t, i);
}

void twins_heed(struct twins *t, const struct channel_message *message, int passed)
{
    bool known =
        message->number < t->heritage->conf->shared_dicts_n && message->number < HERITAGE_DICTS_MAX;

    if (message->op == CHANNEL_TWIN && known) {
        take(t, message->number, passed);
        return;
    }
    if (passed >= 0)
        (void)close(passed);
    if (message->op == CHANNEL_ALONE && known)
        drop(t, message->number);
}
