/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keys of TLS session tickets, shared by all workers and kept over reloads: the newest seals,
 * the older ones still open. The checker rotates them; readers copy under a sequence count.
 */
#ifndef SHM_TICKETS_H
#define SHM_TICKETS_H

#include "shm/region.h"

enum { TICKETS_KEYS = 3, TICKETS_VERSION = 1 };

struct ticket_key {
    uint8_t name[16], aes[32], hmac[32];
    int64_t made; /* seconds since 1970 */
};

bool tickets_make(struct zone *zone); /* with a first random key */
/* Makes a new key when the newest is older than `age` seconds. One caller at a time (the checker).
 */
bool tickets_rotate(const struct zone *zone, int64_t now, int64_t age);
/* Copies the keys, newest first; returns how many, >= 1. */
int tickets_read(const struct zone *zone, struct ticket_key out[TICKETS_KEYS]);

#endif
