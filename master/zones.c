/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which zone a new generation gets. The cache stays over reloads because a dictionary is found
 * again by name and size; what is known of routes and peers stays because their zones have ample
 * room and rows are found by identity. Decisions are made from configurations and process-local
 * sizes, never from what lies in shared memory. What there is of each kind, how it is told apart
 * when another binary hands it over, and who mends it after a death, is one row of a table.
 */
#include "master/zones.h"
#include "shm/cache.h"
#include "shm/health.h"
#include "shm/jwks.h"
#include "shm/limits.h"
#include "shm/roster.h"
#include "shm/seats.h"
#include "shm/stats.h"
#include "shm/tickets.h"
#include "shm/tokens.h"
#include "worker/base/log.h"
#include <stdio.h>
#include <string.h>

enum { ZONES_ROUTES_MIN = 16384, ZONES_NAME_PEERS = 16 };

struct zones_kind {
    enum zone_kind kind;
    uint32_t version;
    size_t at, n; /* where in the heritage, and how many */
    enum {
        ZONES_OWN,
        ZONES_COMMON,
        ZONES_TWIN
    } use; /* COMMON: the master's, the same for all
generations; TWIN: another generation's, of the same kind as another row */
    void (*repair)(const struct zone *zone, uint32_t slot); /* after a death; NULL: not needed */
};

#define ZONES_ONE(member) offsetof(struct heritage, member), 1

static const struct zones_kind zones_table[] = {
    { ZONE_BOARD, BOARD_VERSION, ZONES_ONE(board), ZONES_COMMON, NULL },
    { ZONE_TICKETS, TICKETS_VERSION, ZONES_ONE(tickets), ZONES_COMMON, NULL },
    { ZONE_STATS, STATS_VERSION, ZONES_ONE(stats), ZONES_OWN, stats_settle },
    { ZONE_HEALTH, HEALTH_VERSION, ZONES_ONE(health), ZONES_OWN, health_forget },
    { ZONE_ROSTER, ROSTER_VERSION, ZONES_ONE(roster), ZONES_OWN, roster_break },
    { ZONE_LIMITS, LIMITS_VERSION, ZONES_ONE(limits), ZONES_OWN, limits_break },
    { ZONE_SEATS, SEATS_VERSION, ZONES_ONE(seats), ZONES_OWN, seats_forget },
    { ZONE_TOKENS, TOKENS_VERSION, ZONES_ONE(tokens), ZONES_OWN, tokens_break },
    { ZONE_JWKS, JWKS_VERSION, ZONES_ONE(jwks), ZONES_OWN, jwks_break },
    { ZONE_CACHE, CACHE_VERSION, offsetof(struct heritage, dicts), HERITAGE_DICTS_MAX, ZONES_OWN,
      cache_break },
    { ZONE_CACHE, CACHE_VERSION, offsetof(struct heritage, twins), HERITAGE_DICTS_MAX, ZONES_TWIN,
      NULL },
};
enum { ZONES_KINDS = sizeof zones_table / sizeof zones_table[0] };

static struct zone *zones_at(const struct zones_kind *kind, const struct heritage *h, size_t i)
{
    return (struct zone *)((char *)(uintptr_t)h + kind->at) + i;
}

void zones_clear(struct heritage *h)
{
    for (const struct zones_kind *k = zones_table; k < zones_table + ZONES_KINDS; k++)
        for (size_t i = 0; i < k->n; i++)
            *zones_at(k, h, i) = (struct zone){ .fd = -1 };
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

    if (old && old->heritage.stats.shm == NULL)
        old = NULL;
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

/* How many peers a configuration may come to have: a name stands for some addresses, nobody knows
 * how many. */
static uint32_t zones_peers(const struct conf *conf)
{
    uint64_t peers = 0;

    for (size_t i = 0; i < conf->upstreams_n; i++)
        for (size_t k = 0; k < conf->upstreams[i].targets_n; k++)
            peers += conf->upstreams[i].targets[k].places_n == 1 ? 1 : ZONES_NAME_PEERS;
    return peers < UINT32_MAX / 8 ? (uint32_t)peers : UINT32_MAX / 8;
}

static bool zones_take_health(struct generation *g, const struct generation *old,
                              struct refusal *refusal)
{
    struct heritage *h = &g->heritage;
    uint32_t peers = zones_peers(g->conf), upstreams = (uint32_t)g->conf->upstreams_n;

    if (old && old->heritage.health.shm == NULL)
        old = NULL;
    if (old && health_fits(&old->heritage.health, peers, upstreams)) {
        h->health = old->heritage.health;
        return true;
    }
    if (!health_make(&h->health, peers, upstreams))
        return refusal_errno(refusal, "no shared memory for the health of %u targets", peers);
    if (old)
        health_copy(&h->health, &old->heritage.health);
    return true;
}

/* What DNS said and what was asked for by hand is not the file's: it is the same zone for all. */
static bool zones_take_roster(struct generation *g, const struct generation *old,
                              struct refusal *refusal)
{
    if (old && old->heritage.roster.shm)
        g->heritage.roster = old->heritage.roster;
    else if (!roster_make(&g->heritage.roster))
        return refusal_errno(refusal, "no shared memory for the roster of targets");
    return true;
}

/* Counts go on over reloads: another size is another zone, which begins at nothing. */
static bool zones_take_limits(struct generation *g, const struct generation *old,
                              struct refusal *refusal)
{
    uint64_t size = g->conf->limits_size;

    if (old && old->heritage.limits.shm && limits_fits(&old->heritage.limits, size))
        g->heritage.limits = old->heritage.limits;
    else if (!limits_make(&g->heritage.limits, size))
        return refusal_errno(refusal, "no shared memory for limits_size");
    return true;
}

/* What is under way in an old generation counts in the new one too: it is the same zone for all. */
static bool zones_take_seats(struct generation *g, const struct generation *old,
                             struct refusal *refusal)
{
    if (old && old->heritage.seats.shm)
        g->heritage.seats = old->heritage.seats;
    else if (!seats_make(&g->heritage.seats))
        return refusal_errno(refusal, "no shared memory for what is under way");
    return true;
}

/* What was said of tokens holds for the next configuration too. */
static bool zones_take_tokens(struct generation *g, const struct generation *old,
                              struct refusal *refusal)
{
    uint64_t size = g->conf->tokens_size;

    if (old && old->heritage.tokens.shm && tokens_fits(&old->heritage.tokens, size))
        g->heritage.tokens = old->heritage.tokens;
    else if (!tokens_make(&g->heritage.tokens, size))
        return refusal_errno(refusal, "no shared memory for tokens_size");
    return true;
}

/* Keys of issuers outlive the configuration that names them: a reload fetches nothing anew. */
static bool zones_take_jwks(struct generation *g, const struct generation *old,
                            struct refusal *refusal)
{
    if (old && old->heritage.jwks.shm)
        g->heritage.jwks = old->heritage.jwks;
    else if (!jwks_make(&g->heritage.jwks))
        return refusal_errno(refusal, "no shared memory for keys of issuers");
    return true;
}

/* --- dictionaries ---------------------------------------------------------------------- */

/* Of another master everything is kept, whatever its size: processes of that one use it, who cannot
 * be told of another zone. */
static const struct zone *zones_find_dict(const struct generation *old, const char *name,
                                          uint64_t size)
{
    for (size_t i = 0; old && i < HERITAGE_DICTS_MAX; i++) {
        const struct zone *zone = &old->heritage.dicts[i];
        if (zone->shm && strcmp(old->dicts[i], name) == 0 &&
            (zone->size == size || old->state == GENERATION_INHERITED))
            return zone;
    }
    return NULL;
}

static bool zones_make_dict(struct zone *zone, const struct conf_dict *d)
{
    unsigned long long pages = d->size >> 21;

    if (d->huge_pages == CONF_HUGE_TRY) {
        if (region_make_huge(zone, ZONE_CACHE, CACHE_VERSION, d->name.s, d->size)) {
            log_write(LOG_LEVEL_NOTICE, "shared dict %s: %llu huge pages of 2 MiB", d->name.s,
                      pages);
            return true;
        }
        log_errno(LOG_LEVEL_WARN,
                  "shared dict %s gets ordinary memory: no %llu free huge pages of 2 MiB "
                  "(vm.nr_hugepages)",
                  d->name.s, pages);
    }
    return region_make(zone, ZONE_CACHE, CACHE_VERSION, d->name.s, d->size);
}

static bool zones_take_dict(struct generation *g, size_t i, const struct generation *old,
                            struct refusal *refusal)
{
    const struct conf_dict *d = &g->conf->shared_dicts[i];
    struct zone *zone = &g->heritage.dicts[i];
    const struct zone *kept;

    g->dicts[i] = d->name.s;
    kept = zones_find_dict(old, d->name.s, region_size(d->size));
    if (kept) {
        *zone = *kept;
        return true;
    }
    if (!zones_make_dict(zone, d))
        return refusal_errno(refusal, "no shared memory for the dictionary \"%s\" of %llu bytes",
                             d->name.s, (unsigned long long)d->size);
    if (!cache_format(zone))
        return refusal_say(refusal, "the dictionary \"%s\" is too small: %llu bytes", d->name.s,
                           (unsigned long long)d->size);
    return true;
}

bool zones_fit(const struct generation *g)
{
    for (size_t i = 0; i < g->conf->shared_dicts_n && i < HERITAGE_DICTS_MAX; i++)
        if (g->heritage.dicts[i].size != region_size(g->conf->shared_dicts[i].size))
            return false;
    return true;
}

static bool zones_take_dicts(struct generation *g, const struct generation *old,
                             struct refusal *refusal)
{
    if (g->conf->shared_dicts_n > HERITAGE_DICTS_MAX)
        return refusal_say(refusal, "%zu shared_dicts, at most %d", g->conf->shared_dicts_n,
                           HERITAGE_DICTS_MAX);
    for (size_t i = 0; i < g->conf->shared_dicts_n; i++)
        if (!zones_take_dict(g, i, old, refusal))
            return false;
    return true;
}

bool zones_take(struct generation *g, const struct generation *old, struct refusal *refusal)
{
    return zones_take_stats(g, old, refusal) && zones_take_health(g, old, refusal) &&
           zones_take_roster(g, old, refusal) && zones_take_limits(g, old, refusal) &&
           zones_take_seats(g, old, refusal) && zones_take_tokens(g, old, refusal) &&
           zones_take_jwks(g, old, refusal) && zones_take_dicts(g, old, refusal);
}

/* --- from another master --------------------------------------------------------------- */

static bool zones_inherit_as(struct generation *legacy, const struct zones_kind *kind,
                             const struct handover_zone *told)
{
    char name[REGION_NAME_MAX];

    for (size_t i = 0; i < kind->n; i++) {
        struct zone *zone = zones_at(kind, &legacy->heritage, i);
        if (zone->shm)
            continue;
        region_name(told->fd, name);
        if (told->name[0] != '\0' && strcmp(told->name, name) != 0)
            return false;
        if (!region_adopt(zone, kind->kind, kind->version, told->fd))
            return false;
        if (kind->kind == ZONE_CACHE) {
            memcpy(legacy->legacy_dicts[i], name, sizeof name);
            legacy->dicts[i] = legacy->legacy_dicts[i];
        }
        return true;
    }
    return false;
}

bool zones_inherit(struct generation *legacy, const struct handover_zone *told)
{
    for (const struct zones_kind *k = zones_table; k < zones_table + ZONES_KINDS; k++) {
        bool fits = told->kind == 0 || (told->kind == k->kind && told->version == k->version);
        if (k->use != ZONES_TWIN && fits && zones_inherit_as(legacy, k, told))
            return true;
    }
    return false;
}

size_t zones_list(const struct generation *g, struct handover_zone *zones, size_t max)
{
    size_t n = 0;

    for (const struct zones_kind *k = zones_table; k < zones_table + ZONES_KINDS; k++)
        for (size_t i = 0; k->use != ZONES_TWIN && i < k->n && n < max; i++) {
            const struct zone *zone = zones_at(k, &g->heritage, i);
            if (!zone->shm)
                continue;
            zones[n] = (struct handover_zone){ zone->fd, k->kind, k->version, "" };
            if (k->kind == ZONE_CACHE)
                strncpy(zones[n].name, g->dicts[i], REGION_NAME_MAX - 1);
            n++;
        }
    return n;
}

/* --- the end --------------------------------------------------------------------------- */

static bool zones_has(const struct generation *g, const struct zone *zone)
{
    for (const struct zones_kind *k = zones_table; k < zones_table + ZONES_KINDS; k++)
        for (size_t i = 0; i < k->n; i++)
            if (zones_at(k, &g->heritage, i)->shm == zone->shm)
                return true;
    return false;
}

void zones_release(struct zone *zone, const struct generation *others)
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
    for (const struct zones_kind *k = zones_table; k < zones_table + ZONES_KINDS; k++)
        for (size_t i = 0; k->use != ZONES_COMMON && i < k->n; i++)
            zones_release(zones_at(k, &g->heritage, i), others);
}

void zones_repair(const struct generation *all, uint32_t slot)
{
    for (; all; all = all->next)
        for (const struct zones_kind *k = zones_table; k < zones_table + ZONES_KINDS; k++)
            for (size_t i = 0; k->repair && i < k->n; i++)
                if (zones_at(k, &all->heritage, i)->shm)
                    k->repair(zones_at(k, &all->heritage, i), slot);
}
