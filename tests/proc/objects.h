/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects that prove themselves: key and head name a number and a version, and from those follows
 * every byte of the body. Whoever finds one can tell whether it is what somebody stored.
 */
#ifndef TESTS_OBJECTS_H
#define TESTS_OBJECTS_H

#include "shm/cache.h"
#include "shm/evict.h"
#include "shm/store.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { OBJECTS_NOW = 1000000, OBJECTS_PIECE = 8192 };

static inline uint64_t objects_mix(uint64_t x)
{
    x = (x ^ x >> 31) * UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 29) * UINT64_C(0xbf58476d1ce4e5b9);
    return x ^ x >> 32;
}

static inline uint64_t objects_word(uint32_t number, uint32_t version, uint64_t i)
{
    return objects_mix(((uint64_t)number << 32 | version) + i * UINT64_C(0x94d049bb133111eb));
}

static inline size_t objects_key(uint32_t number, char key[32])
{
    return (size_t)snprintf(key, 32, "GET /object/%" PRIu32, number);
}

static inline void objects_id(const struct cache *cache, uint32_t number, uint8_t id[CACHE_ID_SIZE])
{
    char key[32];
    size_t n = objects_key(number, key);
    cache_id(cache, key, n, id);
}

/* The bytes of the body from `at` on; at is a multiple of eight. */
static inline void objects_bytes(uint32_t number, uint32_t version, uint64_t at, char *out,
                                 size_t n)
{
    for (size_t i = 0; i < n; i += 8) {
        uint64_t word = objects_word(number, version, (at + i) / 8);
        memcpy(out + i, &word, n - i < 8 ? n - i : 8);
    }
}

static inline struct cache_fill *objects_begin(struct cache *cache, uint32_t number,
                                               uint32_t version, size_t size, size_t hint)
{
    const struct cache_meta meta = { .stored = OBJECTS_NOW,
                                     .keep_until = OBJECTS_NOW + 10,
                                     .status = 200 };
    uint8_t id[CACHE_ID_SIZE];
    char key[32], head[64];
    size_t key_n = objects_key(number, key);
    int head_n =
        snprintf(head, sizeof head, "Version: %" PRIu32 "\r\nSize: %zu\r\n", version, size);
    cache_id(cache, key, key_n, id);
    return cache_fill_begin(cache, id, key, key_n, &meta, head, (size_t)head_n, hint);
}

static inline bool objects_append(struct cache_fill *fill, uint32_t number, uint32_t version,
                                  size_t size)
{
    char piece[OBJECTS_PIECE];
    for (size_t at = 0; at < size; at += sizeof piece) {
        size_t part = size - at < sizeof piece ? size - at : sizeof piece;
        objects_bytes(number, version, at, piece, part);
        if (!cache_fill_append(fill, piece, part))
            return false;
    }
    return true;
}

static inline bool objects_put(struct cache *cache, uint32_t number, uint32_t version, size_t size,
                               size_t hint)
{
    struct cache_fill *fill = objects_begin(cache, number, version, size, hint);
    if (!fill)
        return false;
    if (objects_append(fill, number, version, size))
        return cache_fill_commit(&fill);
    cache_fill_abort(&fill);
    return false;
}

/* Whether those are the bytes of the body from `at` on. */
static inline bool objects_same(uint32_t number, uint32_t version, uint64_t at, const char *p,
                                size_t n)
{
    char want[8];
    for (size_t part; n > 0; at += part, p += part, n -= part) {
        size_t skip = at % 8;
        part = n < 8 - skip ? n : 8 - skip;
        objects_bytes(number, version, at - skip, want, 8);
        if (memcmp(p, want + skip, part) != 0)
            return false;
    }
    return true;
}

/* Whether the object found under that number is whole: key, head, length, each byte. */
static inline bool objects_whole(const struct cache *cache, const struct cache_hit *hit,
                                 uint32_t number)
{
    char key[32], head[64];
    uint32_t version;
    size_t size, bytes;
    struct iovec iov[4];
    uint64_t at = 0;
    int count;
    if (hit->key_n != objects_key(number, key) || memcmp(hit->key, key, hit->key_n) != 0 ||
        hit->head_n >= sizeof head)
        return false;
    memcpy(head, hit->head, hit->head_n);
    head[hit->head_n] = '\0';
    if (sscanf(head, "Version: %" SCNu32 "\r\nSize: %zu\r\n", &version, &size) != 2 ||
        hit->body_n != size)
        return false;
    while ((count = cache_body(cache, hit, at, iov, 4, &bytes)) > 0) {
        for (int i = 0; i < count; i++) {
            if (!objects_same(number, version, at, iov[i].iov_base, iov[i].iov_len))
                return false;
            at += iov[i].iov_len;
        }
    }
    return at == size;
}

/* 1: found, and pinned; 0: not found. */
static inline int objects_find(struct cache *cache, uint32_t number, struct cache_hit *hit)
{
    uint8_t id[CACHE_ID_SIZE];
    char key[32];
    size_t n = objects_key(number, key);
    cache_id(cache, key, n, id);
    return cache_find(cache, id, key, n, OBJECTS_NOW, hit);
}

/* 1: found and whole; 0: not found; -1: found, and wrong. */
static inline int objects_look(struct cache *cache, uint32_t number)
{
    struct cache_hit hit;
    if (!objects_find(cache, number, &hit))
        return 0;
    bool whole = objects_whole(cache, &hit, number);
    cache_unpin(cache, &hit);
    return whole ? 1 : -1;
}

/* Everything out: then all pages are free but those of the index's overflow, which stay the
 * index's. */
static inline void objects_check_nothing_lost(struct cache *cache)
{
    uint32_t index = 0;
    for (uint32_t i = 0; i < cache->g.shards; i++) {
        store_lock(cache, i);
        while (evict_some(cache, i))
            ;
        assert_int_equal(cache->shards[i].slab.used, 0);
        store_unlock(cache, i);
    }
    for (uint32_t i = 0; i < cache->g.pages; i++)
        index += pages_kind(cache->pages[i].owner) == PAGES_INDEX;
    assert_int_equal(pages_left(cache) + index, cache->g.pages);
}

#endif
