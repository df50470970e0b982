/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A trace through the cache itself: a dictionary of so many bytes, all its own tables and rounding
 * among them, asked and filled by shm/cache.h as a worker does. The secret of the hash is fixed, so
 * that a trace gives the same result each time.
 */
#ifndef TESTS_EVICT_REPLAY_H
#define TESTS_EVICT_REPLAY_H

#include "shm/store.h"
#include "tests/bench/evict_peers.h"
#include <stdio.h>

struct replay {
    struct zone zone;
    struct cache *cache;
    const struct trace *trace;
    char *body;
};

static inline void replay_open(struct replay *r, const struct trace *trace, uint64_t room)
{
    *r = (struct replay){ .trace = trace, .body = trace_alloc(1, TRACE_MOST) };
    if (!region_make(&r->zone, ZONE_CACHE, CACHE_VERSION, "replay", room) ||
        !cache_format(&r->zone))
        abort();
    memset(((struct store_shm *)region_body(&r->zone))->secret, 7, STORE_SECRET);
    r->cache = cache_attach(&r->zone, 0);
    if (!r->cache)
        abort();
}

static inline void replay_close(struct replay *r)
{
    cache_detach(&r->cache);
    region_drop(&r->zone);
    free(r->body);
}

static inline bool replay_ask(struct replay *r, uint32_t object)
{
    static const char head[TRACE_HEAD];
    char key[TRACE_KEY + 1];
    uint8_t id[CACHE_ID_SIZE];
    struct cache_hit hit;
    const struct cache_meta meta = { .stored = 1, .keep_until = 2, .status = 200 };
    size_t size = r->trace->size[object];
    (void)snprintf(key, sizeof key, "GET|http|/o/%08x", object);
    cache_id(r->cache, key, TRACE_KEY, id);
    if (cache_find(r->cache, id, key, TRACE_KEY, 1, &hit)) {
        cache_unpin(r->cache, &hit);
        return true;
    }
    struct cache_fill *fill =
        cache_fill_begin(r->cache, id, key, TRACE_KEY, &meta, head, sizeof head, size);
    if (fill && cache_fill_append(fill, r->body, size))
        (void)cache_fill_commit(&fill);
    else
        cache_fill_abort(&fill);
    return false;
}

static inline struct peers_score replay_run(const struct trace *trace, uint64_t room)
{
    struct replay r;
    struct peers_score score = { 0 };
    replay_open(&r, trace, room);
    for (uint32_t i = 0; i < trace->requests; i++) {
        uint32_t object = trace->request[i];
        bool miss = !replay_ask(&r, object);
        score.asked++;
        score.missed += miss;
        score.bytes_asked += trace->size[object];
        score.bytes_missed += miss ? trace->size[object] : 0;
    }
    replay_close(&r);
    return score;
}

#endif
