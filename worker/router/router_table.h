/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hash table from text, together with the number of its owner, to a number. Filled once, then
 * only read; the text is the caller's and has to outlive the table.
 */
#ifndef WORKER_ROUTER_TABLE_H
#define WORKER_ROUTER_TABLE_H

#include "worker/base/slice.h"

#define ROUTER_NONE UINT32_MAX /* no value; also no rule, item, place or set */

struct router_slot {
    uint64_t hash;
    const char *p;
    uint32_t n, owner;
    uint32_t value; /* ROUTER_NONE: free */
    uint32_t spare;
};

struct router_table {
    struct router_slot *slots;
    uint32_t mask;
    uint32_t used;
};

/* Room for `entries`, so that it is never more than half full. False: no memory. */
bool router_table_make(struct router_table *table, size_t entries);
void router_table_free(struct router_table *table);

/* Adds a key that is not there yet; `value` is not ROUTER_NONE. */
void router_table_put(struct router_table *table, uint32_t owner, struct slice text,
                      uint32_t value);

/* The value of a key, or ROUTER_NONE. */
uint32_t router_table_get(const struct router_table *table, uint32_t owner, struct slice text);

#endif
