/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sets are made in two steps: the plan says which addresses are in, with what weights; then the old
 * set's peers are found again in it by identity, by a table made for the purpose, and what is new
 * is made. An address that several targets have is one peer with the sum of their weights.
 */
#include "worker/base/peers.h"
#include "shm/assert.h"
#include "worker/base/clock.h"
#include "worker/base/override.h"
#include "worker/base/peers_plan.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct peers_entry {
    struct peer_set *set;
    struct health_upstream_shm *row;
    struct peers_deps deps; /* the records that it was made from */
};

struct peers_host {
    const struct conf_upstream *upstream;
    uint64_t change; /* of the service's record; 0: there was none */
    struct peers_shift shift;
};

enum { LINE = 64 };

_Static_assert(offsetof(struct peer, pool) == LINE && offsetof(struct peer, ageing) == 2 * LINE &&
                   offsetof(struct peer, address) == 3 * LINE,
               "a request touches three lines");

/* --- one peer ------------------------------------------------------------------------------- */

static void tell(struct peer *p)
{
    if (!p->row || (p->requests | p->connects | p->failures) == 0)
        return;
    atomic_fetch_add_explicit(&p->row->requests, p->requests, memory_order_relaxed);
    atomic_fetch_add_explicit(&p->row->connects, p->connects, memory_order_relaxed);
    atomic_fetch_add_explicit(&p->row->failures, p->failures, memory_order_relaxed);
    p->requests = p->connects = p->failures = 0;
}

void peers_let_go(struct peer **peer)
{
    struct peer *p = *peer;
    *peer = NULL;
    if (!p)
        return;
    must(p->refs > 0);
    if (--p->refs > 0)
        return;
    tell(p);
    while (p->pools) {
        struct peer_pool *pool = p->pools;
        must(pool->n == 0);
        p->pools = pool->next;
        if (pool != &p->pool)
            free(pool);
    }
    free(p);
}

/* Peers that came so soon after their upstream was first heard of came with it. */
enum { TOGETHER_MS = 5000 };

static void claim_row(const struct peers *peers, struct peer *p, uint64_t era)
{
    const struct heritage *h = peers->heritage;
    char name[128];
    if (!h->health.shm)
        return;
    snprintf(name, sizeof name, "%s/%s", p->upstream->name.s, p->text.s);
    p->row = health_claim_peer(&h->health, p->identity, name, era);
    health_tally_peer(&h->health, p->row, &p->tally);
    const struct health_upstream_shm *upstream = peers->entries[p->upstream->index].row;
    p->together = upstream ? (int64_t)atomic_load(&upstream->opened) + TOGETHER_MS : INT64_MAX;
    if (p->row && h->role == ROLE_WORKER)
        p->in_flight = health_tally_own(&h->health, &p->tally, h->slot);
}

static struct peer *make_peer(const struct peers *peers, const struct conf_upstream *upstream,
                              const struct peers_item *item, uint64_t era)
{
    size_t text = item->text.n + 1, target = item->target.n + 1;
    size_t lines = (sizeof(struct peer) + text + target + LINE - 1) / LINE;
    struct peer *p = aligned_alloc(LINE, lines * LINE);
    if (!p)
        return NULL;
    memset(p, 0, lines * LINE);
    char *tail = (char *)(p + 1);
    memcpy(tail, item->text.s, text);
    memcpy(tail + text, item->target.s, target);
    p->upstream = upstream;
    p->identity = item->identity;
    p->address = item->address;
    p->text = p->address.text = (struct conf_text){ tail, item->text.n };
    p->target = (struct conf_text){ tail + text, item->target.n };
    p->at = PEERS_GONE;
    p->refs = 1;
    claim_row(peers, p, era);
    return p;
}

/* --- sets ----------------------------------------------------------------------------------- */

static void free_set(struct peer_set **set)
{
    struct peer_set *s = *set;
    *set = NULL;
    if (!s)
        return;
    for (size_t i = 0; i < s->n; i++)
        peers_let_go(&s->v[i]);
    free(s->v);
    free(s);
}

/* The old set's peers by identity: open addressing, at most half full. */
struct known {
    struct peer **v;
    size_t mask;
};

static bool know(struct known *known, const struct peer_set *old)
{
    size_t size = 4;
    while (old && size < 2 * old->n)
        size *= 2;
    known->mask = size - 1;
    known->v = calloc(size, sizeof *known->v);
    for (size_t i = 0; known->v && old && i < old->n; i++) {
        size_t at = old->v[i]->identity & known->mask;
        while (known->v[at])
            at = (at + 1) & known->mask;
        known->v[at] = old->v[i];
    }
    return known->v != NULL;
}

static struct peer *find_known(const struct known *known, uint64_t identity)
{
    size_t at = identity & known->mask;
    while (known->v[at] && known->v[at]->identity != identity)
        at = (at + 1) & known->mask;
    return known->v[at];
}

static bool fill_set(struct peers *peers, struct peer_set *set, const struct known *known,
                     const struct peers_plan *plan)
{
    struct clock now;
    clock_read(&now);
    for (size_t i = 0; i < plan->n; i++) {
        struct peer *p = find_known(known, plan->items[i].identity);
        p = p ? peers_hold(p)
              : make_peer(peers, set->upstream, &plan->items[i], health_era(now.ms));
        if (!p)
            return false;
        set->v[set->n++] = p;
    }
    return true;
}

static struct peer_set *make_set(struct peers *peers, const struct conf_upstream *upstream,
                                 const struct peer_set *old, const struct peers_plan *plan)
{
    struct peer_set *set = calloc(1, sizeof *set);
    struct known known = { NULL, 0 };
    bool made = false;
    if (set) {
        set->upstream = upstream;
        set->unresolved = plan->unresolved;
        set->unknown = plan->unknown;
        set->v = calloc(plan->n + 1, sizeof(struct peer *));
        made = set->v && know(&known, old);
    }
    if (made) {
        const struct heritage *h = peers->heritage;
        if (h->health.shm)
            health_hold(&h->health, h->slot);
        made = fill_set(peers, set, &known, plan);
        if (h->health.shm)
            health_release(&h->health, h->slot);
    }
    free(known.v);
    if (!made)
        free_set(&set);
    return set;
}

/* The new set takes over: from here on its peers say where they are in it. */
static void install(struct peers *peers, struct peers_entry *entry, struct peer_set *set,
                    const struct peers_plan *plan)
{
    struct peer_set *old = entry->set;
    for (size_t i = 0; old && i < old->n; i++)
        old->v[i]->at = PEERS_GONE;
    for (size_t i = 0; i < set->n; i++) {
        struct peer *p = set->v[i];
        p->at = (uint32_t)i;
        p->weight = plan->items[i].weight;
        p->max_connections = plan->items[i].max_connections;
        p->tier = plan->items[i].tier;
    }
    set->version = ++peers->versions;
    set->row = entry->row;
    entry->set = set;
    if (peers->ops && peers->ops->changed)
        peers->ops->changed(peers->owner, set);
    for (size_t i = 0; old && i < old->n; i++)
        if (old->v[i]->at == PEERS_GONE && peers->ops && peers->ops->gone)
            peers->ops->gone(peers->owner, old->v[i]);
    free_set(&old);
}

static bool renew(struct peers *peers, size_t index)
{
    const struct conf_upstream *upstream = &peers->heritage->conf->upstreams[index];
    struct peers_entry *entry = &peers->entries[index];
    struct peers_plan plan;
    struct peer_set *set = NULL;
    if (entry->set && !peers_plan_changed(peers->heritage, &entry->deps))
        return true;
    if (peers_plan_make(&plan, upstream, peers->heritage))
        set = make_set(peers, upstream, entry->set, &plan);
    if (set) {
        install(peers, entry, set, &plan);
        peers_plan_take_deps(&plan, &entry->deps);
    }
    peers_plan_free(&plan);
    return set != NULL;
}

/* --- services ------------------------------------------------------------------------------- */

static const struct conf_upstream *upstream_named(const struct conf *conf, const char *name)
{
    for (size_t i = 0; i < conf->upstreams_n; i++)
        if (!conf->upstreams[i].implied && strcmp(conf->upstreams[i].name.s, name) == 0)
            return &conf->upstreams[i];
    return NULL;
}

/* What the record says of a shift, if anything; one that has been undone says nothing. */
static struct peers_shift shift_of(const struct heritage *h, const struct override *o,
                                   uint64_t record)
{
    struct peers_shift shift = { .to = NULL };
    if (!o || o->value <= 0)
        return shift;
    shift.share = (uint32_t)o->value;
    shift.mark = o->shift.mark;
    shift.slow = (int64_t)o->shift.slow * 1000;
    shift.tally = roster_tally(&h->roster, record);
    shift.to = shift.tally ? upstream_named(h->conf, o->subject) : NULL;
    return shift;
}

/* One that names an upstream which is not in this file any more means nothing. */
static bool renew_host(struct peers *peers, size_t index)
{
    const struct heritage *h = peers->heritage;
    const struct conf_service *service = &h->conf->services[index];
    struct peers_host *host = &peers->hosts[index];
    uint64_t record = override_identity(ROSTER_SERVICE, service->name);
    struct override_list list;
    uint64_t change = roster_change(&h->roster, record);
    if (host->upstream && change == host->change)
        return true;
    bool read = override_read(&h->roster, ROSTER_SERVICE, service->name, &list, &change);
    if (read) {
        const struct override *o = override_find_host(&list, service, OVERRIDE_HOST);
        const struct conf_upstream *other = o ? upstream_named(h->conf, o->subject) : NULL;
        host->upstream = other ? other : service->upstream;
        host->change = change;
        host->shift = shift_of(h, override_find_host(&list, service, OVERRIDE_SHIFT), record);
    }
    override_free(&list);
    return read;
}

const struct conf_upstream *peers_upstream(const struct peers *peers,
                                           const struct conf_service *service)
{
    must(service->index < peers->hosts_n);
    return peers->hosts[service->index].upstream;
}

const struct peers_shift *peers_shift(const struct peers *peers, const struct conf_service *service)
{
    must(service->index < peers->hosts_n);
    const struct peers_shift *shift = &peers->hosts[service->index].shift;
    return shift->to ? shift : NULL;
}

/* --- all of them ---------------------------------------------------------------------------- */

void peers_renew(struct peers *peers)
{
    uint64_t epoch = atomic_load_explicit(peers->epoch, memory_order_acquire);
    bool all = true;
    for (size_t i = 0; i < peers->n; i++)
        all &= renew(peers, i);
    peers->shifts = 0;
    for (size_t i = 0; i < peers->hosts_n; i++) {
        all &= renew_host(peers, i);
        peers->shifts += peers->hosts[i].shift.to != NULL;
    }
    if (all)
        peers->seen = epoch;
}

static void claim_upstreams(struct peers *peers)
{
    const struct heritage *h = peers->heritage;
    struct clock now;
    if (!h->health.shm)
        return;
    clock_read(&now);
    health_hold(&h->health, h->slot);
    for (size_t i = 0; i < peers->n; i++) {
        const struct conf_upstream *u = &h->conf->upstreams[i];
        peers->entries[i].row = health_claim_upstream(&h->health, health_upstream_identity(u->id.s),
                                                      u->name.s, health_era(now.ms));
    }
    health_release(&h->health, h->slot);
}

bool peers_open(struct peers *peers, const struct heritage *heritage, const struct peers_ops *ops,
                void *owner)
{
    size_t n = heritage->conf->upstreams_n;
    size_t hosts = heritage->conf->services_n + heritage->conf->asked_n;
    *peers = (struct peers){
        .heritage = heritage, .ops = ops, .owner = owner, .epoch = roster_epoch(&heritage->roster)
    };
    peers->entries = calloc(n + 1, sizeof *peers->entries);
    peers->hosts = calloc(hosts + 1, sizeof *peers->hosts);
    if (!peers->entries || !peers->hosts)
        return false;
    peers->n = n;
    peers->hosts_n = hosts;
    peers->seen = UINT64_MAX;
    claim_upstreams(peers);
    peers_renew(peers);
    return peers->seen != UINT64_MAX;
}

void peers_close(struct peers *peers)
{
    for (size_t i = 0; i < peers->n; i++) {
        free_set(&peers->entries[i].set);
        peers_plan_free_deps(&peers->entries[i].deps);
    }
    free(peers->entries);
    free(peers->hosts);
    *peers = (struct peers){ 0 };
}

const struct peer_set *peers_of(const struct peers *peers, const struct conf_upstream *upstream)
{
    must(upstream->index < peers->n);
    return peers->entries[upstream->index].set;
}

size_t peers_unknown(const struct peers *peers)
{
    size_t n = 0;
    for (size_t i = 0; i < peers->n; i++)
        n += peers->entries[i].set->unknown;
    return n;
}

void peers_tell(struct peers *peers, int64_t monotonic_ms)
{
    uint64_t era = health_era(monotonic_ms);
    for (size_t i = 0; i < peers->n; i++) {
        const struct peer_set *set = peers->entries[i].set;
        if (set->row)
            atomic_store_explicit(&set->row->era, era, memory_order_relaxed);
        for (size_t k = 0; k < set->n; k++) {
            struct peer *p = set->v[k];
            tell(p);
            if (p->row && atomic_load_explicit(&p->row->era, memory_order_relaxed) != era)
                atomic_store_explicit(&p->row->era, era, memory_order_relaxed);
        }
    }
}
