/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which plugins run on a route. For each kind the most specific instance wins:
 *
 *     consumer+route+service, consumer+route, consumer+service, route+service, consumer, route,
 * service, global
 *
 * The consumer is known only once a request has been authenticated, so a link keeps the best
 * instance for anybody and, for each consumer that has a better one, that. What a route has of its
 * own is little, what holds everywhere may be a lot (an instance for each of 10,000 consumers):
 * links of the latter kind are made once and shared by all routes.
 */
#include "conf/load.h"
#include <stdlib.h>
#include <string.h>

/* The instances bound to one route or one service, or to neither. */
struct bucket {
    const struct conf_plugin **v;
    size_t n;
};

struct chains {
    struct load *load;
    struct bucket wide;                        /* neither route nor service */
    struct bucket *services;                   /* by index: service, and no route */
    struct bucket *routes;                     /* by index: route, with its service or without */
    struct conf_link links[CONF_PLUGIN_KINDS]; /* of the wide ones */
    const struct conf_chain **by_service;      /* made for routes without instances of their own */
};

/* The order of precedence: the higher wins. Index: 4 for a consumer, 2 for a route, 1 for a
 * service. */
static int rank(const struct conf_plugin *p)
{
    static const int ranks[] = { 0, 1, 2, 4, 3, 5, 6, 7 };
    return ranks[(p->consumer ? 4 : 0) + (p->route ? 2 : 0) + (p->service ? 1 : 0)];
}

static struct bucket *bucket_of(struct chains *c, const struct conf_plugin *p)
{
    if (p->route)
        return &c->routes[p->route->index];
    return p->service ? &c->services[p->service->index] : &c->wide;
}

static void fill_buckets(struct chains *c)
{
    const struct conf *conf = c->load->conf;
    for (size_t i = 0; i < conf->plugins_n; i++)
        bucket_of(c, &conf->plugins[i])->n += conf->plugins[i].enabled;
    for (size_t i = 0; i < conf->plugins_n; i++) {
        struct bucket *bucket = bucket_of(c, &conf->plugins[i]);
        if (!bucket->v)
            bucket->v = memory_array(&c->load->memory, bucket->n, sizeof(void *));
    }
    c->wide.n = 0;
    for (size_t i = 0; i < conf->services_n; i++)
        c->services[i].n = 0;
    for (size_t i = 0; i < conf->routes_n; i++)
        c->routes[i].n = 0;
    for (size_t i = 0; i < conf->plugins_n; i++) {
        struct bucket *bucket = bucket_of(c, &conf->plugins[i]);
        if (conf->plugins[i].enabled)
            bucket->v[bucket->n++] = &conf->plugins[i];
    }
}

/* ---- one link ---- */

/* By consumer, the best one first. */
static int by_consumer(const void *a, const void *b)
{
    const struct conf_plugin *x = *(const struct conf_plugin *const *)a,
                             *y = *(const struct conf_plugin *const *)b;
    if (x->consumer != y->consumer)
        return x->consumer->index < y->consumer->index ? -1 : 1;
    return (rank(x) < rank(y)) - (rank(x) > rank(y));
}

/* Drops what loses: to a better one for the same consumer, or to the one for anybody. Returns how
 * many are left. */
static size_t keep_best(const struct conf_plugin **v, size_t n, const struct conf_plugin *any)
{
    size_t used = 0;
    for (size_t i = 0; i < n; i++) {
        bool first = i == 0 || v[i]->consumer != v[i - 1]->consumer;
        if (first && (!any || rank(v[i]) > rank(any)))
            v[used++] = v[i];
    }
    return used;
}

static void offer(struct conf_link *link, const struct conf_plugin *p)
{
    if (!link->any || rank(p) > rank(link->any))
        link->any = p;
}

static void set_priority(struct conf_link *link)
{
    if (link->any) {
        link->priority = link->any->priority;
        return;
    }
    for (size_t i = 0; i < link->by_consumer_n; i++)
        if (i == 0 || link->by_consumer[i]->priority > link->priority)
            link->priority = link->by_consumer[i]->priority;
}

/* `base` and the instances of `kind` in the buckets, as one link. A base that loses nothing is
 * shared, not copied. */
static struct conf_link join(struct chains *c, enum conf_plugin_kind kind,
                             const struct conf_link *base, const struct bucket *const *buckets,
                             size_t buckets_n)
{
    struct conf_link link = *base;
    size_t bound = 0;
    link.kind = kind;
    for (size_t b = 0; b < buckets_n; b++)
        for (size_t i = 0; i < buckets[b]->n; i++)
            if (buckets[b]->v[i]->kind == kind && !buckets[b]->v[i]->consumer)
                offer(&link, buckets[b]->v[i]);
            else
                bound += buckets[b]->v[i]->kind == kind;
    bool outranked = link.any && base->by_consumer_n && rank(link.any) > rank(base->by_consumer[0]);
    if (bound == 0 && !outranked) {
        set_priority(&link);
        return link;
    }
    const struct conf_plugin **v =
        memory_array(&c->load->memory, bound + base->by_consumer_n, sizeof(void *));
    size_t n = base->by_consumer_n;
    if (n)
        memcpy(v, base->by_consumer, n * sizeof *v);
    for (size_t b = 0; b < buckets_n; b++)
        for (size_t i = 0; i < buckets[b]->n; i++)
            if (buckets[b]->v[i]->kind == kind && buckets[b]->v[i]->consumer)
                v[n++] = buckets[b]->v[i];
    qsort(v, n, sizeof *v, by_consumer);
    link.by_consumer_n = keep_best(v, n, link.any);
    link.by_consumer = v;
    set_priority(&link);
    return link;
}

/* ---- chains ---- */

static int by_priority(const void *a, const void *b)
{
    const struct conf_link *x = a, *y = b;
    if (x->priority != y->priority)
        return x->priority > y->priority ? -1 : 1;
    return strcmp(plugin_kind_name(x->kind), plugin_kind_name(y->kind));
}

/* What is bound to a consumer and comes before all that could find out who it is would never run:
 * said once for each instance. Where nothing finds that out, nobody expects it to. */
static void check_order(struct load *load, const struct conf_link *links, size_t n)
{
    size_t known = 0;
    while (known < n && !plugin_identifies(links[known].kind))
        known++;
    for (size_t i = 0; known < n && i < known; i++)
        for (size_t k = 0; k < links[i].by_consumer_n; k++) {
            const struct conf_plugin *p = links[i].by_consumer[k];
            if (load->plugins_at[p->index])
                report_key(&load->report, load->plugins_at[p->index], "priority",
                           "%s runs at %d, before %s (%d) has found out who the consumer is",
                           p->name.s, links[i].priority, links[known].any->name.s,
                           links[known].priority);
            load->plugins_at[p->index] = NULL;
        }
}

static const struct conf_chain *make_chain(struct chains *c, const struct bucket *const *buckets,
                                           size_t n)
{
    struct conf_chain *chain = memory_alloc(&c->load->memory, sizeof *chain);
    struct conf_link links[CONF_PLUGIN_KINDS];
    size_t used = 0;
    for (int kind = 0; kind < CONF_PLUGIN_KINDS; kind++) {
        links[used] = join(c, (enum conf_plugin_kind)kind, &c->links[kind], buckets, n);
        used += links[used].any || links[used].by_consumer_n;
    }
    qsort(links, used, sizeof *links, by_priority);
    check_order(c->load, links, used);
    struct conf_link *copy = memory_array(&c->load->memory, used, sizeof *copy);
    if (used)
        memcpy(copy, links, used * sizeof *copy);
    *chain = (struct conf_chain){ copy, used };
    return chain;
}

static const struct conf_chain *chain_of(struct chains *c, const struct conf_route *route)
{
    uint32_t service = route->service->index;
    const struct bucket *both[] = { &c->services[service], &c->routes[route->index] };
    if (both[1]->n)
        return make_chain(c, both, 2);
    if (!both[0]->n)
        return c->load->conf->chain_unrouted;
    if (!c->by_service[service])
        c->by_service[service] = make_chain(c, both, 1);
    return c->by_service[service];
}

void chains_finish(struct load *load)
{
    struct conf *conf = load->conf;
    struct chains c = { .load = load };
    static const struct conf_link none;
    const struct bucket *wide = &c.wide;
    c.services = memory_array(&load->memory, conf->services_n, sizeof *c.services);
    c.routes = memory_array(&load->memory, conf->routes_n, sizeof *c.routes);
    c.by_service = memory_array(&load->memory, conf->services_n, sizeof *c.by_service);
    fill_buckets(&c);
    for (int kind = 0; kind < CONF_PLUGIN_KINDS; kind++)
        c.links[kind] = join(&c, (enum conf_plugin_kind)kind, &none, &wide, 1);
    conf->chain_unrouted = make_chain(&c, NULL, 0);
    for (size_t i = 0; i < conf->routes_n; i++)
        ((struct conf_route *)conf->routes)[i].chain = chain_of(&c, &conf->routes[i]);
}
