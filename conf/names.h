/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A map from text to pointers: names of entities, and credentials. Hashed with a random key of its
 * own, so that nobody who knows the texts can make a look-up slow; texts are compared in constant
 * time, so that nobody can guess them byte by byte. Filled once, then read only.
 */
#ifndef CONF_NAMES_H
#define CONF_NAMES_H

#include "conf/memory.h"
#include <stdint.h>

enum { NAMES_SECRET = 192 };

struct names_slot {
    struct conf_text name; /* not copied: must live as long as the map */
    const void *what;      /* NULL: free */
    uint64_t hash;
};

struct names {
    struct names_slot *slots; /* size is a power of two; NULL while nothing was put */
    size_t size, used;
    uint8_t secret[NAMES_SECRET];
};

/* Adds `what` (not NULL) under `name`. When the name is taken nothing changes and what it stands
 * for is returned, else NULL. */
const void *names_put(struct names *names, struct memory *memory, struct conf_text name,
                      const void *what);

/* NULL: not there. */
const void *names_get(const struct names *names, const char *name, size_t n);

#endif
