/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order of precedence: more kinds of conditions first, then plain hosts before wildcard ones,
 * more header names, regex paths (the higher regex_priority first), the longer prefix, the earlier
 * route. As in Kong 3 each path of a route ranks for itself: a route with a short and a long prefix
 * takes part twice, so that no prefix of it ever hides a longer one of another route.
 */
#include "worker/router/router_index.h"
#include <stdlib.h>

/* The kinds that count. Protocols do not: every route has them. */
static int kinds(const struct conf_route *r)
{
    return (r->hosts.n > 0) + (r->paths_n > 0) + (r->methods.n > 0) + (r->headers_n > 0) +
           (r->snis.n > 0);
}

static bool plain_hosts(const struct conf_route *r)
{
    for (size_t i = 0; i < r->hosts.n; i++)
        if (memchr(r->hosts.v[i].s, '*', r->hosts.v[i].n))
            return false;
    return r->hosts.n > 0;
}

static bool is_regex(const struct router_rule *rule)
{
    return rule->path && rule->path->regex;
}

static size_t prefix_length(const struct router_rule *rule)
{
    return rule->path && !rule->path->regex ? rule->path->text.n : 0;
}

/* < 0 when the larger number goes first and `a` is larger. */
static int larger_first(size_t a, size_t b)
{
    return (a < b) - (a > b);
}

static int by_rank(const void *left, const void *right)
{
    const struct router_rule *a = left, *b = right;
    int order = larger_first((size_t)kinds(a->route), (size_t)kinds(b->route));
    if (order == 0)
        order = larger_first(plain_hosts(a->route), plain_hosts(b->route));
    if (order == 0)
        order = larger_first(a->route->headers_n, b->route->headers_n);
    if (order == 0)
        order = larger_first(is_regex(a), is_regex(b));
    if (order == 0 && is_regex(a))
        order = (a->route->regex_priority < b->route->regex_priority) -
                (a->route->regex_priority > b->route->regex_priority);
    if (order == 0)
        order = larger_first(prefix_length(a), prefix_length(b));
    if (order == 0)
        order = -larger_first(a->route->index, b->route->index);
    if (order == 0) /* paths of one route, as they were written */
        order = (a->path > b->path) - (a->path < b->path);
    return order;
}

static struct router_rule rule_of(const struct conf_route *r, const struct conf_path *path)
{
    unsigned checks = (r->methods.n ? ROUTER_METHODS : 0U) | (r->headers_n ? ROUTER_HEADERS : 0U) |
                      (r->snis.n ? ROUTER_SNIS : 0U);
    return (struct router_rule){
        .route = r, .path = path, .checks = checks, .protocols = r->protocols
    };
}

bool router_rank(const struct conf *conf, struct router_rule **rules, uint32_t *n)
{
    size_t room = 1;
    for (size_t i = 0; i < conf->routes_n; i++)
        room += conf->routes[i].paths_n + 1;
    struct router_rule *made = calloc(room, sizeof(*made));
    if (!made)
        return false;
    uint32_t count = 0;
    for (size_t i = 0; i < conf->routes_n; i++) {
        const struct conf_route *r = &conf->routes[i];
        if (!r->service->enabled)
            continue; /* as if its routes did not exist */
        if (r->paths_n == 0)
            made[count++] = rule_of(r, NULL);
        for (size_t j = 0; j < r->paths_n; j++)
            made[count++] = rule_of(r, &r->paths[j]);
    }
    qsort(made, count, sizeof(*made), by_rank);
    *rules = made;
    *n = count;
    return true;
}

bool router_rank_leads(const struct router_rule *rule)
{
    for (size_t i = 0; i < rule->route->paths_n; i++) {
        struct router_rule other = rule_of(rule->route, &rule->route->paths[i]);
        if (by_rank(&other, rule) < 0)
            return false;
    }
    return true;
}
