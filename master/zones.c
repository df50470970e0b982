/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which zone a new generation gets. The cache stays over reloads because a dictionary is found
 * again by name and size; what is known of routes and peers stays because their zones have ample
 * room and rows are found by identity. Decisions are made from configurations and process-local
 * sizes, never from what lies in shared memory.
 */
#include "master/zones.h"
#include "shm/cache.h"
#include "shm/health.h"
#include "shm/stats.h"
#include "worker/base/log.h"
#include <stdio.h>
#include <string.h>

enum { ZONES_ROUTES_MIN = 16384 };

void zones_clear(struct heritage *h)
{
    static const struct zone none = { .fd = -1 };

    h->stats = h->health = none;
    for (size_t i = 0; i < HERITAGE_DICTS_MAX; i++)
        h->dicts[i] = none;
}

/* --- counters -------------------------------------------------------------------------- */

static bool zones_make_stats(struct heritage *h, const struct generation *old, uint32_t routes,
                             struct refusal *refusal)
{
    uint32_t room = routes < ZONES_ROUTES_MIN / 2 ? ZONES_ROUTES_MIN : routes * 2;

    if (!stats_make(&h->stats, room))
        return refusal_errno(refusal, "no shared memory for the counters of %u routes", routes);
    if (old)
        stats_copy(&h->stats, &old->heritage.stats);
    return true;
}

static bool zones_claim_routes(const struct generation *g)
{
    const struct heritage *h = &g->heritage;

    for (size_t i = 0; i < g->conf->routes_n; i++) {
        const struct conf_route *r = &g->conf->routes[i];
        if (stats_claim(&h->stats, r->id.s, r->name.s, h->generation) < 0)
            return false;
    }
    return true;
}

static bool zones_take_stats(struct generation *g, const struct generation *old,
                             struct refusal *refusal)
{
    struct heritage *h = &g->heritage;

    if (old) {
        h->stats = old->heritage.stats;
        if (zones_claim_routes(g))
            return true;
    }
    if (!zones_make_stats(h, old, (uint32_t)g->conf->routes_n, refusal))
        return false;
    if (!zones_claim_routes(g))
        log_write(LOG_LEVEL_WARN, "no counters for some of %zu routes", g->conf->routes_n);
    return true;
}

/* --- health ---------------------------------------------------------------------------- */

static bool zones_claim_upstream(const struct heritage *h, const struct conf_upstream *u)
{
    char name[128];

    if (!health_claim_upstream(&h->health, health_upstream_identity(u->id.s), u->name.s,
                               h->generation))
        return false;
    for (size_t i = 0; i < u->peers_n; i++) {
        const struct conf_peer *p = &u->peers[i];
        (void)snprintf(name, sizeof name, "%s/%s", u->name.s, p->text.s);
        if (!health_claim_peer(&h->health, p->identity, name, h->generation))
            return false;
    }
    return true;
}

static bool zones_claim_upstreams(const struct generation *g)
{
    for (size_t i = 0; i < g->conf->upstreams_n; i++)
        if (!zones_claim_upstream(&g->heritage, &g->conf->upstreams[i]))
            return false;
    return true;
}

static bool zones_take_health(struct generation *g, const struct generation *old,
                              struct refusal *refusal)
{
    struct heritage *h = &g->heritage;
    uint32_t peers = 0, upstreams = (uint32_t)g->conf->upstreams_n;

    for (size_t i = 0; i < upstreams; i++)
        peers += (uint32_t)g->conf->upstreams[i].peers_n;
    if (old && health_fits(&old->heritage.health, peers, upstreams)) {
        h->health = old->heritage.health;
        if (zones_claim_upstreams(g))
            return true;
    }
    if (!health_make(&h->health, peers, upstreams))
        return refusal_errno(refusal, "no shared memory for the health of %u targets", peers);
    if (!zones_claim_upstreams(g))
        return refusal_say(refusal, "too many targets: %u", peers);
    if (old)
        health_copy(&h->health, &old->heritage.health);
    return true;
}

/* --- dictionaries ---------------------------------------------------------------------- */

static const struct zone *zones_find_dict(const struct generation *old, const struct conf_dict *d)
{
    for (size_t i = 0; old && i < old->conf->shared_dicts_n && i < HERITAGE_DICTS_MAX; i++) {
        const struct conf_dict *o = &old->conf->shared_dicts[i];
        if (o->size == d->size && strcmp(o->name.s, d->name.s) == 0)
            return &old->heritage.dicts[i];
    }
    return NULL;
}

static bool zones_take_dict(struct zone *zone, const struct generation *old,
                            const struct conf_dict *d, struct refusal *refusal)
{
    const struct zone *kept = zones_find_dict(old, d);

    if (kept) {
        *zone = *kept;
        return true;
    }
    if (!region_make(zone, ZONE_CACHE, CACHE_VERSION, d->name.s, d->size))
        return refusal_errno(refusal, "no shared memory for the dictionary \"%s\" of %llu bytes",
                             d->name.s, (unsigned long long)d->size);
    if (!cache_format(zone))
        return refusal_say(refusal, "the dictionary \"%s\" is too small: %llu bytes", d->name.s,
                           (unsigned long long)d->size);
    return true;
}

static bool zones_take_dicts(struct generation *g, const struct generation *old,
                             struct refusal *refusal)
{
    if (g->conf->shared_dicts_n > HERITAGE_DICTS_MAX)
        return refusal_say(refusal, "%zu shared_dicts, at most %d", g->conf->shared_dicts_n,
                           HERITAGE_DICTS_MAX);
    for (size_t i = 0; i < g->conf->shared_dicts_n; i++)
        if (!zones_take_dict(&g->heritage.dicts[i], old, &g->conf->shared_dicts[i], refusal))
            return false;
    return true;
}

bool zones_take(struct generation *g, const struct generation *old, struct refusal *refusal)
{
    return zones_take_stats(g, old, refusal) && zones_take_health(g, old, refusal) &&
           zones_take_dicts(g, old, refusal);
}

/* --- the end --------------------------------------------------------------------------- */

static bool zones_has(const struct generation *g, const struct zone *zone)
{
    const struct heritage *h = &g->heritage;

    if (h->stats.shm == zone->shm || h->health.shm == zone->shm)
        return true;
    for (size_t i = 0; i < HERITAGE_DICTS_MAX; i++)
        if (h->dicts[i].shm == zone->shm)
            return true;
    return false;
}

static void zones_drop_one(struct zone *zone, const struct generation *others)
{
    static const struct zone none = { .fd = -1 };

    for (; zone->shm && others; others = others->next) {
        if (zones_has(others, zone)) {
            *zone = none;
            return;
        }
    }
    region_drop(zone);
}

void zones_drop(struct generation *g, const struct generation *others)
{
    zones_drop_one(&g->heritage.stats, others);
    zones_drop_one(&g->heritage.health, others);
    for (size_t i = 0; i < HERITAGE_DICTS_MAX; i++)
        zones_drop_one(&g->heritage.dicts[i], others);
}

void zones_repair(const struct generation *all, uint32_t slot)
{
    for (; all; all = all->next) {
        const struct heritage *h = &all->heritage;
        for (size_t i = 0; i < HERITAGE_DICTS_MAX; i++)
            if (h->dicts[i].shm)
                cache_break(&h->dicts[i], slot);
        if (h->health.shm)
            health_forget(&h->health, slot);
        if (h->stats.shm)
            stats_settle(&h->stats, slot);
    }
}
