/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the router compiles the configuration to; shared by router.c, which builds it, and
 * router_find.c, which reads it. A rule is one path of one route (or a route without paths); rules
 * are numbered by their final rank, so the lower number always wins. A set holds the rules of one
 * host; a place holds those of one path prefix in one set.
 */
#ifndef WORKER_ROUTER_INDEX_H
#define WORKER_ROUTER_INDEX_H

#include "worker/router/router.h"
#include "worker/router/router_table.h"

enum router_check { ROUTER_METHODS = 1, ROUTER_HEADERS = 2, ROUTER_SNIS = 4 };

struct router_rule {
    const struct conf_route *route;
    const struct conf_path *path; /* NULL: the route has none */
    unsigned checks;    /* kinds that the index does not settle: bits of enum router_check */
    unsigned protocols; /* bits of enum conf_protocol */
};

/* A list of rules in rank order. */
struct router_item {
    uint32_t rule, next;
};
struct router_list {
    uint32_t head, tail; /* items */
};

struct router_place {
    struct router_list rules;
    uint32_t parent; /* the place of the longest shorter prefix in the same set */
    uint32_t best;   /* the best rule here and in all places that `parent` leads to */
    uint32_t set;
    struct slice prefix;
};

/* Which names a host set is found by. */
enum router_host {
    ROUTER_EXACT,
    ROUTER_SUFFIX /* "*.example.com" */,
    ROUTER_PREFIX /* "example.*" */
};

struct router_set {
    struct router_list regexes, bare; /* rules with a regex path, and without paths */
    uint32_t first;                   /* the best rule of the whole set */
    uint32_t lengths, lengths_n;      /* the distinct lengths of its prefixes, longest first */
};

struct router {
    struct router_rule *rules;
    struct router_item *items;
    struct router_place *places;
    struct router_set *sets; /* the first one is that of rules for any host */
    uint32_t *lengths;
    uint32_t rules_n, items_n, places_n, sets_n, lengths_n;
    bool suffixes, prefixes;     /* there are wildcard hosts of that kind */
    struct router_table hosts;   /* (enum router_host, text) -> set */
    struct router_table by_path; /* (set, prefix) -> place */
};

/* All rules of the enabled services' routes, best rank first, in malloc'ed memory; false: no
 * memory. */
bool router_rank(const struct conf *conf, struct router_rule **rules, uint32_t *n);
/* Whether no other rule of the same route ranks before this one. */
bool router_rank_leads(const struct router_rule *rule);

#endif
