/* SPDX-License-Identifier: Apache-2.0 */
/* What a set of peers is to hold: the merge of file and roster, as plain values. For peers.c. */
#ifndef BASE_PEERS_PLAN_H
#define BASE_PEERS_PLAN_H

#include "worker/base/arena.h"
#include "worker/base/heritage.h"

struct peers_item {
    uint64_t identity;
    struct conf_address address;
    struct conf_text text, target; /* the configuration's or the plan's */
    int weight, max_connections;
    uint32_t tier;
};

/* A record that had a say, and when it had changed last; 0: there was none. */
struct peers_dep {
    uint64_t record, change;
};

struct peers_deps {
    struct peers_dep *v;
    size_t n;
};

struct peers_plan {
    struct peers_item *items; /* no identity twice */
    size_t n, room;
    size_t unresolved, unknown; /* as in struct peer_set */
    struct peers_deps deps;
    struct arena texts;
    uint32_t *table; /* positions + 1 by identity */
    size_t mask;
};

/* False: no memory. peers_plan_free() ends it, in any case. */
bool peers_plan_make(struct peers_plan *plan, const struct conf_upstream *upstream,
                     const struct heritage *heritage);
void peers_plan_free(struct peers_plan *plan);

/* Whether one of the records is another now. */
bool peers_plan_changed(const struct heritage *heritage, const struct peers_deps *deps);
/* *deps, which are freed, become those of the plan. */
void peers_plan_take_deps(struct peers_plan *plan, struct peers_deps *deps);
void peers_plan_free_deps(struct peers_deps *deps);

#endif
