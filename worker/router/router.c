/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compiles the routes to the index of router_index.h. Rules are entered in rank order, so that
 * every list is sorted by rank as it grows. All arrays are taken in their largest possible size
 * first: nothing here has to grow, and a failing allocation is seen in one place.
 */
#include "worker/router/router.h"
#include "worker/router/router_index.h"
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
        text = slice_from(text, 1);
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
    const struct router_place *a = *(struct router_place *const *)left,
                              *b = *(struct router_place *const *)right;
    if (a->set != b->set)
        return a->set < b->set ? -1 : 1;
    return (a->prefix.n < b->prefix.n) - (a->prefix.n > b->prefix.n);
}

/* Lists the distinct prefix lengths of a set whose places are sorted[0..n), longest first. */
static void list_lengths(struct router *r, struct router_place *const *sorted, uint32_t n)
{
    struct router_set *set = &r->sets[sorted[0]->set];
    set->lengths = r->lengths_n;
    for (uint32_t i = 0; i < n; i++)
        if (i == 0 || sorted[i]->prefix.n != sorted[i - 1]->prefix.n)
            r->lengths[r->lengths_n++] = (uint32_t)sorted[i]->prefix.n;
    set->lengths_n = r->lengths_n - set->lengths;
}

/* Ties a place to the next shorter one on the same path, so that one look-up finds all prefixes of
 * a path. The shorter ones are done already. */
static void tie_parent(struct router *r, struct router_place *place)
{
    const struct router_set *set = &r->sets[place->set];
    for (uint32_t i = 0; i < set->lengths_n && place->parent == ROUTER_NONE; i++) {
        uint32_t length = r->lengths[set->lengths + i];
        if (length < place->prefix.n)
            place->parent =
                router_table_get(&r->by_path, place->set, slice_of(place->prefix.p, length));
    }
    place->best = r->items[place->rules.head].rule;
    if (place->parent != ROUTER_NONE && r->places[place->parent].best < place->best)
        place->best = r->places[place->parent].best;
}

static bool tie_places(struct router *r)
{
    struct router_place **sorted = malloc((r->places_n + 1) * sizeof(*sorted));
    if (!sorted)
        return false;
    for (uint32_t i = 0; i < r->places_n; i++)
        sorted[i] = &r->places[i];
    qsort(sorted, r->places_n, sizeof(*sorted), by_set_then_longest);
    for (uint32_t from = 0, to; from < r->places_n; from = to) {
        for (to = from; to < r->places_n && sorted[to]->set == sorted[from]->set;)
            to++;
        list_lengths(r, sorted + from, to - from);
    }
    for (uint32_t i = r->places_n; i > 0; i--)
        tie_parent(r, sorted[i - 1]);
    free(sorted);
    return true;
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
    return tie_places(r);
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
