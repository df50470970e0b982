/* SPDX-License-Identifier: Apache-2.0 */
/* A dictionary for tests of the parts behind shm/cache.h. */
#ifndef TESTS_STORE_FIXTURE_H
#define TESTS_STORE_FIXTURE_H

#include "shm/store.h"
#include <stdlib.h>

struct fixture {
    struct zone zone;
    struct cache *cache;
};

static inline struct fixture fixture_make(uint64_t size)
{
    struct fixture f;
    assert_true(region_make(&f.zone, ZONE_CACHE, CACHE_VERSION, "test", size));
    assert_true(cache_format(&f.zone));
    f.cache = cache_attach(&f.zone, 3);
    assert_non_null(f.cache);
    uint32_t dice = 1; /* the same places and samples in each run */
    for (int i = 0; i < STORE_SECRET; i++) {
        dice = dice * 1664525 + 1013904223;
        f.cache->shm->secret[i] = (uint8_t)(dice >> 24);
    }
    return f;
}

static inline void fixture_audit(struct cache *cache)
{
    char why[256];
    if (!cache_audit(cache, why, sizeof why))
        fail_msg("audit: %s", why);
}

static inline void fixture_drop(struct fixture *f)
{
    fixture_audit(f->cache);
    cache_detach(&f->cache);
    region_drop(&f->zone);
}

/* Without taking anything back: what is in it is not to be trusted. */
static inline void fixture_leave(struct fixture *f)
{
    pins_close(f->cache);
    free(f->cache->holds);
    free(f->cache);
    region_drop(&f->zone);
}

/* For tests that left it in a state that no audit would pass. */
static inline void fixture_forget(struct fixture *f)
{
    cache_detach(&f->cache);
    region_drop(&f->zone);
}

#endif
