/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The merge. Targets go in in the order of the file, with all their addresses. An address that is
 * there already adds its weight; it counts as a backup only if each of its targets is one, and has
 * no limit if one of them has none.
 */
#include "worker/base/peers_plan.h"
#include "conf/ids.h"
#include "shm/roster.h"
#include <stdlib.h>
#include <string.h>

enum { PLAN_WEIGHT_MAX = 1 << 24, PLAN_BACKUP = 1 << 16 /* its tier, behind all others */ };

/* --- items by identity ---------------------------------------------------------------------- */

static bool enlarge(struct peers_plan *plan)
{
    size_t room = plan->room ? plan->room * 2 : 16;
    struct peers_item *items = realloc(plan->items, room * sizeof *items);
    if (!items)
        return false;
    plan->items = items;
    plan->room = room;
    free(plan->table);
    plan->mask = room * 2 - 1;
    plan->table = calloc(plan->mask + 1, sizeof *plan->table);
    for (size_t i = 0; plan->table && i < plan->n; i++) {
        size_t at = plan->items[i].identity & plan->mask;
        while (plan->table[at])
            at = (at + 1) & plan->mask;
        plan->table[at] = (uint32_t)i + 1;
    }
    return plan->table != NULL;
}

static void join(struct peers_item *item, const struct peers_item *more)
{
    item->weight += more->weight;
    if (item->weight > PLAN_WEIGHT_MAX)
        item->weight = PLAN_WEIGHT_MAX;
    if (more->tier < item->tier)
        item->tier = more->tier;
    if (item->max_connections && more->max_connections)
        item->max_connections += more->max_connections;
    else
        item->max_connections = 0;
}

static bool add(struct peers_plan *plan, const struct peers_item *item)
{
    if (plan->n == plan->room && !enlarge(plan))
        return false;
    size_t at = item->identity & plan->mask;
    while (plan->table[at] && plan->items[plan->table[at] - 1].identity != item->identity)
        at = (at + 1) & plan->mask;
    if (plan->table[at]) {
        join(&plan->items[plan->table[at] - 1], item);
        return true;
    }
    plan->items[plan->n++] = *item;
    plan->table[at] = (uint32_t)plan->n;
    return true;
}

/* --- targets -------------------------------------------------------------------------------- */

static bool add_target(struct peers_plan *plan, const struct conf_upstream *upstream,
                       const struct conf_target *target)
{
    struct peers_item item = { .target = target->target,
                               .weight = target->weight,
                               .max_connections = target->max_connections,
                               .tier = target->backup ? PLAN_BACKUP : 0 };
    for (size_t i = 0; i < target->places_n; i++) {
        item.address = target->places[i];
        item.text = item.address.text;
        item.identity = ids_peer(upstream->name, item.text.s);
        if (!add(plan, &item))
            return false;
    }
    plan->unresolved += target->places_n == 0;
    return true;
}

bool peers_plan_make(struct peers_plan *plan, const struct conf_upstream *upstream,
                     const struct heritage *heritage)
{
    (void)heritage;
    *plan = (struct peers_plan){ 0 };
    for (size_t i = 0; i < upstream->targets_n; i++)
        if (!add_target(plan, upstream, &upstream->targets[i]))
            return false;
    return true;
}

void peers_plan_free(struct peers_plan *plan)
{
    free(plan->items);
    free(plan->table);
    peers_plan_free_deps(&plan->deps);
    *plan = (struct peers_plan){ 0 };
}

/* --- what it depends on --------------------------------------------------------------------- */

bool peers_plan_changed(const struct heritage *heritage, const struct peers_deps *deps)
{
    for (size_t i = 0; i < deps->n; i++)
        if (roster_change(&heritage->roster, deps->v[i].record) != deps->v[i].change)
            return true;
    return false;
}

void peers_plan_take_deps(struct peers_plan *plan, struct peers_deps *deps)
{
    peers_plan_free_deps(deps);
    *deps = plan->deps;
    plan->deps = (struct peers_deps){ NULL, 0 };
}

void peers_plan_free_deps(struct peers_deps *deps)
{
    free(deps->v);
    *deps = (struct peers_deps){ NULL, 0 };
}
