/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The merge. Targets go in in the order of the file, with all their addresses. An address that is
 * there already adds its weight; it counts as a backup only if each of its targets is one, and has
 * no limit if one of them has none.
 */
#include "worker/base/peers_plan.h"
#include "conf/endpoint.h"
#include "conf/ids.h"
#include "shm/roster.h"
#include "worker/base/answer.h"
#include "worker/base/override.h"
#include "worker/base/peers.h"
#include <stdlib.h>
#include <string.h>

enum {
    PLAN_WEIGHT = 100,
    PLAN_WEIGHT_MAX = 1 << 24,
};

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

/* What is being merged: a plan, for whom, and where to read. */
struct merge {
    struct peers_plan *plan;
    const struct conf_upstream *upstream;
    const struct heritage *heritage;
    struct answer *answer; /* used up within one target */
    struct override_list overrides;
};

static bool depend(struct peers_plan *plan, uint64_t record, uint64_t change)
{
    struct peers_deps *deps = &plan->deps;
    if ((deps->n & (deps->n - 1)) == 0) { /* full at each power of two */
        struct peers_dep *v = realloc(deps->v, (deps->n ? deps->n * 2 : 1) * sizeof *v);
        if (!v)
            return false;
        deps->v = v;
    }
    deps->v[deps->n++] = (struct peers_dep){ record, change };
    return true;
}

static bool add_place(struct merge *m, struct peers_item *item)
{
    item->text = item->address.text;
    item->identity = ids_peer(m->upstream->name, item->text.s);
    return add(m->plan, item);
}

/* An SRV record's weight is the share of its place in the target's: with the usual weight of 100 it
 * is the weight. 0 is a small one there, and none only where the target has none. */
static int srv_weight(const struct answer_place *place, int weight)
{
    int64_t scaled = (int64_t)(place->weight ? place->weight : 1) * weight / PLAN_WEIGHT;
    return weight == 0 ? 0 : scaled > 0 ? (int)scaled : 1;
}

/* The places of a name. Each priority of SRV records is a tier of its own, behind the one before.
 */
static bool add_name(struct merge *m, const struct conf_target *target, struct peers_item item)
{
    struct answer *a = m->answer;
    uint32_t base = item.tier;
    uint64_t change = 0;
    bool known = answer_read(&m->heritage->roster, target->host, a, &change);
    if (!depend(m->plan, answer_identity(target->host), change))
        return false;
    if (!known)
        a->n = 0;
    m->plan->unknown += !known;
    m->plan->unresolved += a->n == 0;
    for (uint32_t i = 0; i < a->n; i++) {
        char text[64];
        const struct answer_place *place = &a->places[i];
        answer_address(place, target->port, &item.address, text);
        struct slice kept = arena_copy(&m->plan->texts, slice_of(text, item.address.text.n));
        item.address.text = (struct conf_text){ kept.p, kept.n };
        item.weight = a->srv ? srv_weight(place, target->weight) : target->weight;
        if (i > 0 && a->srv && place->priority != a->places[i - 1].priority)
            item.tier++;
        if (!kept.p || item.tier - base >= PEERS_BACKUP || !add_place(m, &item))
            return false;
    }
    return true;
}

static bool add_target(struct merge *m, const struct conf_target *target)
{
    struct peers_item item = { .target = target->target,
                               .weight = target->weight,
                               .max_connections = target->max_connections,
                               .tier = target->backup ? PEERS_BACKUP : 0 };
    if (target->places_n == 0)
        return add_name(m, target, item);
    for (size_t i = 0; i < target->places_n; i++) {
        item.address = target->places[i];
        if (!add_place(m, &item))
            return false;
    }
    return true;
}

/* --- overrides ------------------------------------------------------------------------------ */

/* `file` is NULL for a target that is not in it. */
static int overridden(const struct merge *m, const char *subject, const struct conf_target *file,
                      enum override_thing thing, int value)
{
    return override_value(&m->overrides, subject, file, thing, value);
}

static void apply(const struct merge *m, const char *subject, const struct conf_target *file,
                  struct conf_target *target)
{
    target->weight = overridden(m, subject, file, OVERRIDE_WEIGHT, target->weight);
    target->max_connections =
        overridden(m, subject, file, OVERRIDE_MAX_CONNECTIONS, target->max_connections);
    if (overridden(m, subject, file, OVERRIDE_DRAIN, 0) ||
        overridden(m, subject, file, OVERRIDE_DOWN, 0))
        target->weight = 0;
}

static bool add_overridden(struct merge *m, const struct conf_target *file)
{
    char subject[OVERRIDE_SUBJECT];
    struct conf_target target = *file;
    if (m->overrides.n == 0)
        return add_target(m, file);
    override_subject(file, subject);
    if (overridden(m, subject, file, OVERRIDE_DELETED, 0))
        return true;
    apply(m, subject, file, &target);
    return add_target(m, &target);
}

static bool is_in_file(const struct merge *m, const char *subject)
{
    char other[OVERRIDE_SUBJECT];
    for (size_t i = 0; i < m->upstream->targets_n; i++) {
        override_subject(&m->upstream->targets[i], other);
        if (strcmp(other, subject) == 0)
            return true;
    }
    return false;
}

/* A target that only an override knows, with what others say about it. */
static bool add_added(struct merge *m, const struct override *o)
{
    struct conf_target target = { .weight = PLAN_WEIGHT };
    struct conf_address place;
    char text[ENDPOINT_TEXT];
    if (is_in_file(m, o->subject))
        return true;
    struct slice kept = arena_copy(&m->plan->texts, slice_of(o->subject, strlen(o->subject)));
    if (!kept.p)
        return false;
    target.target = (struct conf_text){ kept.p, kept.n };
    if (endpoint_target(target.target, 0, &target.host, &target.port))
        return true;
    if (endpoint_place(&target, &place, text)) {
        kept = arena_copy(&m->plan->texts, slice_of(text, strlen(text)));
        if (!kept.p)
            return false;
        place.text = (struct conf_text){ kept.p, kept.n };
        target.places = &place;
        target.places_n = 1;
    } else {
        kept = arena_copy(&m->plan->texts, slice_of(target.host.s, target.host.n));
        if (!kept.p)
            return false;
        target.host = (struct conf_text){ kept.p, kept.n };
    }
    apply(m, o->subject, NULL, &target);
    return add_target(m, &target);
}

bool peers_plan_make(struct peers_plan *plan, const struct conf_upstream *upstream,
                     const struct heritage *heritage)
{
    struct merge m = { .plan = plan, .upstream = upstream, .heritage = heritage };
    uint64_t change = 0;
    *plan = (struct peers_plan){ 0 };
    arena_init(&plan->texts, NULL, 0);
    m.answer = malloc(sizeof *m.answer);
    bool made =
        override_read(&heritage->roster, ROSTER_UPSTREAM, upstream->name, &m.overrides, &change) &&
        m.answer && depend(plan, override_identity(ROSTER_UPSTREAM, upstream->name), change);
    for (size_t i = 0; made && i < upstream->targets_n; i++)
        made = add_overridden(&m, &upstream->targets[i]);
    for (size_t i = 0; made && i < m.overrides.n; i++)
        if (m.overrides.v[i].thing == OVERRIDE_ADDED)
            made = add_added(&m, &m.overrides.v[i]);
    free(m.answer);
    override_free(&m.overrides);
    return made;
}

void peers_plan_free(struct peers_plan *plan)
{
    free(plan->items);
    free(plan->table);
    peers_plan_free_deps(&plan->deps);
    arena_reset(&plan->texts);
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
