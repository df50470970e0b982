/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compiles the routes to the index of router_index.h. Rules are entered in rank order, so that
 * every list is sorted by rank as it grows. All arrays are taken in their largest possible size
 * first: nothing here has to grow, and a failing allocation is seen in one place.
 */
#include "worker/router.h"
#include "worker/router_index.h"
#include <stdlib.h>

struct bounds {
    size_t hosts; /* named by routes */
    size_t items; /* rules times their hosts */
};

static const struct router_list empty_list = { ROUTER_NONE, ROUTER_NONE };

static size_t host_count(const struct conf_route *r)
{
    return r->hosts.n ? r->hosts.n : 1;
}

static struct bounds measure(const struct router *r)
{
    struct bounds b = { 0, 0 };
    for (uint32_t i = 0; i < r->rules_n; i++) {
        b.hosts += r->rules[i].route->hosts.n;
        b.items += host_count(r->rules[i].route);
    }
    return b;
}

static bool take_memory(struct router *r)
{
    struct bounds b = measure(r);
    if (b.items >= UINT32_MAX / 4)
        return false;
    r->items = calloc(b.items + 1, sizeof(*r->items));
    r->places = calloc(b.items + 1, sizeof(*r->places));
    r->sets = calloc(b.hosts + 1, sizeof(*r->sets));
    r->lengths = calloc(b.items + 1, sizeof(*r->lengths));
    return r->items && r->places && r->sets && r->lengths &&
           router_table_make(&r->hosts, b.hosts) && router_table_make(&r->by_path, b.items);
}

static uint32_t new_set(struct router *r)
{
    r->sets[r->sets_n] =
        (struct router_set){ .regexes = empty_list, .bare = empty_list, .first = ROUTER_NONE };
    return r->sets_n++;
}

/* The set for one configured host; 0, the set of any host, when there is none. */
static uint32_t set_for(struct router *r, const struct conf_text *host)
{
    enum router_host kind = ROUTER_EXACT;
    if (!host)
        return 0;
    struct slice text = slice_of(host->s, host->n);
    if (text.n > 0 && text.p[0] == '*') {
        kind = ROUTER_SUFFIX;
        r->suffixes = true;
        text = slice_of(text.p + 1, text.n - 1);
    } else if (text.n > 0 && text.p[text.n - 1] == '*') {
        kind = ROUTER_PREFIX;
        r->prefixes = true;
        text.n--;
    }
    uint32_t set = router_table_get(&r->hosts, kind, text);
    if (set == ROUTER_NONE) {
        set = new_set(r);
        router_table_put(&r->hosts, kind, text, set);
    }
    return set;
}

static struct router_list *list_for_prefix(struct router *r, uint32_t set,
                                           const struct conf_text *prefix)
{
    struct slice text = slice_of(prefix->s, prefix->n);
    uint32_t place = router_table_get(&r->by_path, set, text);
    if (place == ROUTER_NONE) {
        place = r->places_n++;
        r->places[place] = (struct router_place){
            .rules = empty_list, .parent = ROUTER_NONE, .set = set, .prefix = text
        };
        router_table_put(&r->by_path, set, text, place);
    }
    return &r->places[place].rules;
}

static void append(struct router *r, struct router_list *list, uint32_t rule)
{
    uint32_t item = r->items_n++;
    r->items[item] = (struct router_item){ rule, ROUTER_NONE };
    if (list->head == ROUTER_NONE)
        list->head = item;
    else
        r->items[list->tail].next = item;
    list->tail = item;
}

static void enter(struct router *r, uint32_t number, const struct conf_text *host)
{
    const struct conf_path *path = r->rules[number].path;
    uint32_t set = set_for(r, host);
    struct router_list *list = !path         ? &r->sets[set].bare
                               : path->regex ? &r->sets[set].regexes
                                             : list_for_prefix(r, set, &path->text);
    append(r, list, number);
    if (r->sets[set].first == ROUTER_NONE)
        r->sets[set].first = number;
}

static int by_set_then_longest(const void *left, const void *right)
{
    const struct router_place *a = left, *b = right;
    if (a->set != b->set)
        return a->set < b->set ? -1 : 1;
    return (a->prefix.n < b->prefix.n) - (a->prefix.n > b->prefix.n);
}

/* Gives each set its distinct prefix lengths. Works on a copy of the places, which may not move any
 * more. */
static bool list_lengths(struct router *r)
{
    struct router_place *sorted = malloc((r->places_n + 1) * sizeof(*sorted));
    if (!sorted)
        return false;
    memcpy(sorted, r->places, r->places_n * sizeof(*sorted));
    qsort(sorted, r->places_n, sizeof(*sorted), by_set_then_longest);
    for (uint32_t i = 0; i < r->places_n; i++) {
        struct router_set *set = &r->sets[sorted[i].set];
        if (i > 0 && by_set_then_longest(&sorted[i - 1], &sorted[i]) == 0)
            continue;
        if (set->lengths_n++ == 0)
            set->lengths = r->lengths_n;
        r->lengths[r->lengths_n++] = (uint32_t)sorted[i].prefix.n;
    }
    free(sorted);
    return true;
}

/* Ties each place to the next shorter one on the same path, so that one look-up finds all prefixes
 * of a path. */
static void tie_parents(struct router *r)
{
    for (uint32_t i = 0; i < r->places_n; i++) {
        struct router_place *place = &r->places[i];
        const struct router_set *set = &r->sets[place->set];
        for (uint32_t j = 0; j < set->lengths_n && place->parent == ROUTER_NONE; j++) {
            uint32_t length = r->lengths[set->lengths + j];
            if (length < place->prefix.n)
                place->parent =
                    router_table_get(&r->by_path, place->set, slice_of(place->prefix.p, length));
        }
    }
}

static bool compile(struct router *r)
{
    if (!take_memory(r))
        return false;
    new_set(r);
    for (uint32_t i = 0; i < r->rules_n; i++) {
        const struct conf_texts *hosts = &r->rules[i].route->hosts;
        if (hosts->n == 0)
            enter(r, i, NULL);
        for (size_t j = 0; j < hosts->n; j++)
            enter(r, i, &hosts->v[j]);
    }
    if (!list_lengths(r))
        return false;
    tie_parents(r);
    return true;
}

struct router *router_make(const struct conf *conf)
{
    struct router *r = calloc(1, sizeof(*r));
    if (r && (!router_rank(conf, &r->rules, &r->rules_n) || !compile(r)))
        router_free(&r);
    return r;
}

void router_free(struct router **router)
{
    struct router *r = *router;
    *router = NULL;
    if (!r)
        return;
    free(r->rules);
    free(r->items);
    free(r->places);
    free(r->sets);
    free(r->lengths);
    router_table_free(&r->hosts);
    router_table_free(&r->by_path);
    free(r);
}

void router_order(const struct router *router,
                  void (*each)(void *arg, const struct conf_route *route), void *arg)
{
    for (uint32_t i = 0; i < router->rules_n; i++)
        if (router_rank_leads(&router->rules[i]))
            each(arg, router->rules[i].route);
}
