/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each name is asked for when it is due, a bounded number at a time. A good answer holds for its
 * TTL, between the configured floor and ceiling. When nobody could be asked, the last good answer
 * stays and is called stale; when who knows says that there is nothing, there is nothing. A new
 * checker finds the records of the one before and goes on with them: good ones are asked for again
 * soon, spread over some seconds, since other name servers may be configured now.
 */
#include "worker/checker/resolver.h"
#include "conf/endpoint.h"
#include "conf/issuer.h"
#include "conf/redis_fields.h"
#include "worker/base/answer.h"
#include "worker/base/log.h"
#include "worker/base/override.h"
#include "worker/checker/dns.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    RESOLVER_BUSY = 64,               /* names asked for at a time */
    RESOLVER_SPREAD_MS = 5000,        /* what is known already is asked for within that */
    RESOLVER_LOOK_MS = 200,           /* at the roster, for names that were added */
    RESOLVER_LOST_MS = 10 * 60 * 1000 /* a record that no name of ours has goes then */
};

struct resolver_name {
    struct resolver *resolver;
    uint64_t identity; /* of the record */
    struct conf_text host;
    int64_t due; /* ms, monotonic */
    bool busy;
};

struct resolver {
    const struct heritage *heritage;
    struct loop *loop;
    struct dns_room *room;
    struct resolver_name **names, **table; /* table: the same by identity, at most half full */
    size_t names_n, names_room, mask;
    uint32_t busy;
    struct loop_later later; /* pump() at the end of the turn */
    bool put_off;
    int64_t began;
    uint64_t seen; /* epoch of the roster */
    bool cleared;
    struct timer timer;
    struct answer before, after; /* used up within one call */
};

/* --- publishing ----------------------------------------------------------------------------- */

static int64_t clamped(const struct resolver *r, uint32_t ttl)
{
    const struct conf *conf = r->heritage->conf;
    double s = ttl;
    if (s > conf->dns_max_ttl)
        s = conf->dns_max_ttl;
    if (s < conf->dns_min_ttl)
        s = conf->dns_min_ttl;
    int64_t ms = (int64_t)(s * 1000);
    return ms > 100 ? ms : 100;
}

static int64_t after_error(const struct resolver *r)
{
    int64_t ms = (int64_t)(r->heritage->conf->dns_error_ttl * 1000);
    return ms > 100 ? ms : 100;
}

/* What is known when a question failed: what was known before. */
static void go_stale(struct answer *after, const struct answer *before)
{
    after->n = before->n;
    after->srv = before->srv;
    after->answered = before->answered;
    memcpy(after->places, before->places, before->n * sizeof *before->places);
    after->state = before->n                       ? ANSWER_STALE
                   : before->state == ANSWER_EMPTY ? ANSWER_EMPTY
                                                   : ANSWER_NONE;
}

/* One line for a change of what is so, none for more of the same. */
static void report(const struct answer *after, const struct answer *before)
{
    uint32_t was = before ? before->state : ANSWER_GOOD;
    if (after->state == ANSWER_GOOD) {
        if (was != ANSWER_GOOD || !before)
            log_write(LOG_LEVEL_INFO, "the name %s resolves to %u addresses", after->name,
                      after->n);
        else if (before->n != after->n)
            log_write(LOG_LEVEL_INFO, "the name %s resolves to %u addresses now, %u before",
                      after->name, after->n, before->n);
    } else if (after->state != was || !before) {
        log_write(LOG_LEVEL_ERROR, "the name %s %s: %s", after->name,
                  after->state == ANSWER_STALE   ? "cannot be resolved, its last addresses stay"
                  : after->state == ANSWER_EMPTY ? "has no address"
                                                 : "cannot be resolved",
                  after->error);
    }
}

static void publish(struct resolver *r, const struct answer *before)
{
    const struct heritage *h = r->heritage;
    report(&r->after, before);
    if (!answer_write(&h->roster, h->slot, &r->after, before))
        log_rarely(LOG_LEVEL_ERROR, "no room for what the name %s resolves to", r->after.name);
}

static void tick(struct timer *timer);
static void run_later(struct loop_later *later);

static void on_done(void *owner, enum dns_outcome outcome, const struct answer *found, uint32_t ttl,
                    const char *why)
{
    struct resolver_name *name = owner;
    struct resolver *r = name->resolver;
    bool known = answer_read(&r->heritage->roster, name->host, &r->before, NULL);
    bool partly = outcome == DNS_FOUND && why[0] != '\0';
    int64_t now = r->loop->now.real_s, wait = after_error(r);
    struct answer *a = &r->after;

    memset(a, 0, offsetof(struct answer, places));
    snprintf(a->name, sizeof a->name, "%s", name->host.s);
    snprintf(a->error, sizeof a->error, "%s", why);
    a->asked = now;
    if (outcome == DNS_FAILED || (partly && known && r->before.n > 0)) {
        if (known)
            go_stale(a, &r->before);
    } else {
        a->state = outcome == DNS_FOUND ? ANSWER_GOOD : ANSWER_EMPTY;
        a->answered = now;
        a->n = found->n;
        a->srv = found->srv && found->n;
        memcpy(a->places, found->places, found->n * sizeof *found->places);
        if (outcome == DNS_FOUND && !partly)
            wait = clamped(r, ttl);
    }
    a->expires = now + (wait + 999) / 1000;
    publish(r, known ? &r->before : NULL);
    name->busy = false;
    name->due = r->loop->now.ms + wait;
    r->busy--;
    if (!r->put_off)
        loop_defer(r->loop, &r->later, run_later);
    r->put_off = true;
}

/* --- asking --------------------------------------------------------------------------------- */

/* CONF_DNS_*: what an answer is made of. */
static unsigned had(const struct answer *a)
{
    unsigned types = a->srv ? CONF_DNS_SRV : 0;
    for (uint32_t i = 0; i < a->n; i++)
        types |= a->places[i].six ? CONF_DNS_AAAA : CONF_DNS_A;
    return types;
}

static void ask(struct resolver *r, struct resolver_name *name)
{
    bool known = answer_read(&r->heritage->roster, name->host, &r->before, NULL);
    name->busy = true;
    r->busy++;
    if (dns_start(r->room, name->host.s, known ? had(&r->before) : 0, on_done, name))
        return;
    name->busy = false;
    name->due = r->loop->now.ms + after_error(r);
    r->busy--;
}

static void clear_lost(struct resolver *r);
static void look_for_names(struct resolver *r);

/* Asks for what is due, and says when to look again. */
static void pump(struct resolver *r)
{
    int64_t now = r->loop->now.ms, next = now + RESOLVER_LOOK_MS;
    look_for_names(r);
    for (size_t i = 0; i < r->names_n; i++) {
        struct resolver_name *n = r->names[i];
        if (!n->busy && n->due <= now && r->busy < RESOLVER_BUSY)
            ask(r, n);
        if (!n->busy && n->due < next)
            next = n->due;
    }
    if (!r->cleared && now >= r->began + RESOLVER_LOST_MS)
        clear_lost(r);
    timer_set(&r->loop->timers, &r->timer, next, tick);
}

static void tick(struct timer *timer)
{
    pump((struct resolver *)((char *)timer - offsetof(struct resolver, timer)));
}

static void run_later(struct loop_later *later)
{
    struct resolver *r = (struct resolver *)((char *)later - offsetof(struct resolver, later));
    r->put_off = false;
    if (r->room)
        pump(r);
    else
        free(r); /* it has ended */
}

/* --- names ---------------------------------------------------------------------------------- */

/* Where a name is in the table, or would be. */
static size_t place_of(const struct resolver *r, uint64_t identity)
{
    size_t at = identity & r->mask;
    while (r->table[at] && r->table[at]->identity != identity)
        at = (at + 1) & r->mask;
    return at;
}

static bool enlarge(struct resolver *r)
{
    size_t room = r->names_room ? r->names_room * 2 : 16;
    struct resolver_name **names = realloc(r->names, room * sizeof(struct resolver_name *));
    if (!names)
        return false;
    r->names = names;
    r->names_room = room;
    free(r->table);
    r->mask = room * 2 - 1;
    r->table = calloc(room * 2, sizeof(struct resolver_name *));
    for (size_t i = 0; r->table && i < r->names_n; i++)
        r->table[place_of(r, names[i]->identity)] = names[i];
    return r->table != NULL;
}

/* A name with a good answer waits a while, so that not all are asked for at the same time. */
static int64_t first_due(struct resolver *r, uint64_t identity)
{
    int64_t left;
    if (!answer_read_record(&r->heritage->roster, identity, &r->before) ||
        r->before.state != ANSWER_GOOD)
        return 0;
    left = (r->before.expires - r->loop->now.real_s) * 1000;
    if (left > RESOLVER_SPREAD_MS)
        left = RESOLVER_SPREAD_MS;
    return left > 0 ? r->loop->now.ms + (int64_t)(identity % (uint64_t)left) : 0;
}

static bool add_name(struct resolver *r, struct conf_text host)
{
    uint64_t identity = answer_identity(host);
    if (host.n == 0 || host.n >= ANSWER_NAME)
        return true;
    if (r->names_n == r->names_room && !enlarge(r))
        return false;
    size_t at = place_of(r, identity);
    if (r->table[at])
        return true;
    struct resolver_name *n = calloc(1, sizeof *n + host.n + 1);
    if (!n)
        return false;
    memcpy(n + 1, host.s, host.n);
    n->resolver = r;
    n->identity = identity;
    n->host = (struct conf_text){ (char *)(n + 1), host.n };
    n->due = first_due(r, identity);
    r->table[at] = r->names[r->names_n++] = n;
    return true;
}

/* Names of targets that were added by hand. One that went is asked for until this process ends. */
static void add_overrides(struct resolver *r, const struct conf_upstream *upstream)
{
    struct override_list list;
    if (override_read(&r->heritage->roster, ROSTER_UPSTREAM, upstream->name, &list, NULL))
        for (size_t i = 0; i < list.n; i++) {
            struct conf_text text = { list.v[i].subject, strlen(list.v[i].subject) };
            struct conf_target target = { .target = text };
            struct conf_address place;
            char room[ENDPOINT_TEXT];
            if (list.v[i].thing == OVERRIDE_ADDED &&
                !endpoint_target(text, 0, &target.host, &target.port) &&
                !endpoint_place(&target, &place, room))
                (void)add_name(r, target.host);
        }
    override_free(&list);
}

/* Another epoch may have brought some. */
static void look_for_names(struct resolver *r)
{
    const struct conf *conf = r->heritage->conf;
    uint64_t epoch = atomic_load_explicit(roster_epoch(&r->heritage->roster), memory_order_acquire);
    for (size_t i = 0; r->seen != epoch && i < conf->upstreams_n; i++)
        add_overrides(r, &conf->upstreams[i]);
    r->seen = epoch;
}

static bool add_names(struct resolver *r)
{
    const struct conf *conf = r->heritage->conf;
    struct sockaddr_storage literal;
    socklen_t len;
    for (size_t i = 0; i < conf->upstreams_n; i++)
        for (size_t k = 0; k < conf->upstreams[i].targets_n; k++) {
            const struct conf_target *target = &conf->upstreams[i].targets[k];
            if (target->places_n == 0 && !add_name(r, target->host))
                return false;
        }
    for (const struct conf_redis *redis = conf->redis; redis; redis = redis->next)
        for (size_t i = 0; i < redis->nodes_n; i++)
            if (!redis->nodes[i].place && !add_name(r, redis->nodes[i].host))
                return false;
    for (const struct conf_issuer *i = conf->issuers; i; i = i->next)
        if (!endpoint_literal(i->host, i->port, &literal, &len) && !add_name(r, i->host))
            return false;
    return true;
}

/* Records that names of earlier configurations have left. Late, since processes of theirs may still
 * be finishing. */
static void clear_lost(struct resolver *r)
{
    const struct zone *roster = &r->heritage->roster;
    uint32_t at = 0;
    uint64_t identity;
    r->cleared = true;
    while ((identity = roster_next(roster, &at)))
        if (answer_read_record(roster, identity, &r->before) &&
            (r->names_n == 0 || !r->table[place_of(r, identity)]))
            roster_remove(roster, r->heritage->slot, identity);
}

/* --- life ----------------------------------------------------------------------------------- */

struct resolver *resolver_make(const struct heritage *heritage, struct loop *loop)
{
    struct resolver *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    r->heritage = heritage;
    r->loop = loop;
    r->began = loop->now.ms;
    r->room = dns_open(loop, heritage->conf);
    if (!r->room || !add_names(r)) {
        resolver_end(&r);
        return NULL;
    }
    pump(r);
    return r;
}

void resolver_end(struct resolver **resolver)
{
    struct resolver *r = *resolver;
    *resolver = NULL;
    if (!r)
        return;
    dns_close(&r->room);
    timer_drop(&r->loop->timers, &r->timer);
    for (size_t i = 0; i < r->names_n; i++)
        free(r->names[i]);
    free(r->names);
    free(r->table);
    if (!r->put_off)
        free(r);
}
