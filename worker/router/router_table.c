/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open addressing with linear probing. The keys are the operator's, so that nobody outside can
 * choose them to collide; who asks can only choose which of the short chains is walked.
 */
#define XXH_INLINE_ALL
#include "worker/router/router_table.h"
#include "shm/assert.h"
#include <stdlib.h>
#include <xxhash.h>

bool router_table_make(struct router_table *table, size_t entries)
{
    size_t room = 4;
    while (room < entries * 2)
        room *= 2;
    must(room <= UINT32_MAX);
    *table = (struct router_table){ .slots = malloc(room * sizeof(*table->slots)),
                                    .mask = (uint32_t)(room - 1) };
    for (size_t i = 0; table->slots && i < room; i++)
        table->slots[i] = (struct router_slot){ .value = ROUTER_NONE };
    return table->slots != NULL;
}

void router_table_free(struct router_table *table)
{
    free(table->slots);
    table->slots = NULL;
}

void router_table_put(struct router_table *table, uint32_t owner, struct slice text, uint32_t value)
{
    must(value != ROUTER_NONE && table->used <= table->mask / 2);
    uint64_t hash = XXH3_64bits_withSeed(text.p, text.n, owner);
    uint32_t i = (uint32_t)hash & table->mask;
    while (table->slots[i].value != ROUTER_NONE)
        i = (i + 1) & table->mask;
    table->slots[i] = (struct router_slot){
        .hash = hash, .p = text.p, .n = (uint32_t)text.n, .owner = owner, .value = value
    };
    table->used++;
}

uint32_t router_table_get(const struct router_table *table, uint32_t owner, struct slice text)
{
    uint64_t hash = XXH3_64bits_withSeed(text.p, text.n, owner);
    for (uint32_t i = (uint32_t)hash & table->mask;; i = (i + 1) & table->mask) {
        const struct router_slot *slot = &table->slots[i];
        if (slot->value == ROUTER_NONE)
            return ROUTER_NONE;
        if (slot->hash == hash && slot->owner == owner && slot->n == text.n &&
            memcmp(slot->p, text.p, text.n) == 0)
            return slot->value;
    }
}
