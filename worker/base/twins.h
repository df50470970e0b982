/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A dictionary that changes its size has two zones for a while: one of the generation that goes,
 * one of the generation that comes. Each process of both attaches the other one as well, so that a
 * purge through any of them holds in both. A process learns of it when it starts, or by a message
 * of the master.
 */
#ifndef BASE_TWINS_H
#define BASE_TWINS_H

#include "shm/cache.h"
#include "worker/base/channel.h"
#include "worker/base/heritage.h"

struct twins {
    const struct heritage *heritage;
    struct cache **caches; /* the process's own handles, by dictionary; some may be NULL */
    struct {
        struct zone zone;
        struct cache *cache;
    } v[HERITAGE_DICTS_MAX];
};

/* Attaches those that came with the heritage. */
void twins_open(struct twins *twins, const struct heritage *heritage, struct cache **caches);

/* Does what a message says: CHANNEL_TWIN, with the descriptor that came along (-1: none), which is
 * taken over whatever the message is, and CHANNEL_ALONE. Others are left alone. */
void twins_heed(struct twins *twins, const struct channel_message *message, int passed);

#endif
