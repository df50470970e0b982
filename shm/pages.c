/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pool of pages: a stack through the rows, under a lock of its own that is held for a few
 * stores. Whose a page is stands in one word of its row. A page is FREE in that word before it is
 * put on the stack and until it was taken off, so that after a death the stack can be made anew
 * from the rows; whatever the dead process took shows as its shard's or slot's and is given back by
 * the repair of those.
 */
#include "shm/pages.h"
#include "shm/assert.h"
#include "shm/store.h"

static uint32_t row_owner(const struct cache *cache, uint32_t page)
{
    return atomic_load_explicit(&store_row(cache, page)->owner, memory_order_acquire);
}

static void set_owner(struct cache *cache, uint32_t page, uint32_t owner)
{
    atomic_store_explicit(&store_row(cache, page)->owner, owner, memory_order_release);
}

/* Highest number first, so that pages are taken from the low end on and untouched ones stay
 * untouched. */
static void rebuild(struct cache *cache)
{
    struct store_shm *shm = cache->shm;
    uint32_t count = 0, top = 0;
    for (uint32_t page = cache->g.first + cache->g.pages - 1; page >= cache->g.first; page--) {
        if (row_owner(cache, page) != 0)
            continue;
        store_row(cache, page)->next = top;
        top = page;
        count++;
    }
    shm->pool = top;
    atomic_store_explicit(&shm->pool_n, count, memory_order_relaxed);
}

static bool suspect(const struct cache *cache)
{
    return atomic_load_explicit(&cache->shm->pool_lock.lock.suspect, memory_order_relaxed) != 0;
}

static void lock(struct cache *cache)
{
    struct lock_shm *pool = &cache->shm->pool_lock.lock;
    if (lock_take(pool, cache->slot) == LOCK_SUSPECT) {
        rebuild(cache);
        lock_sound(pool);
    }
    CRASH_POINT();
}

static void unlock(struct cache *cache)
{
    CRASH_POINT();
    lock_give(&cache->shm->pool_lock.lock, cache->slot);
}

static void put(struct cache *cache, uint32_t page)
{
    struct pages_row_shm *row = store_row(cache, page);
    set_owner(cache, page, 0);
    CRASH_POINT();
    row->next = cache->shm->pool;
    cache->shm->pool = page;
    CRASH_POINT();
    atomic_fetch_add_explicit(&cache->shm->pool_n, 1, memory_order_relaxed);
}

void pages_format(struct cache *cache)
{
    rebuild(cache);
}

uint32_t pages_take(struct cache *cache, uint32_t owner)
{
    must(pages_kind(owner) != PAGES_FREE);
    if (pages_left(cache) == 0 &&
        !suspect(cache)) /* the count of a pool that was left suspect may be wrong */
        return 0;
    lock(cache);
    uint32_t page = cache->shm->pool;
    if (page != 0) {
        must(row_owner(cache, page) == 0);
        cache->shm->pool = store_row(cache, page)->next;
        CRASH_POINT();
        atomic_fetch_sub_explicit(&cache->shm->pool_n, 1, memory_order_relaxed);
        set_owner(cache, page, owner);
    }
    unlock(cache);
    return page;
}

void pages_give(struct cache *cache, uint32_t page)
{
    must(page >= cache->g.first && page - cache->g.first < cache->g.pages);
    lock(cache);
    must(row_owner(cache, page) != 0);
    put(cache, page);
    unlock(cache);
}

void pages_sweep(struct cache *cache, uint32_t owner)
{
    for (uint32_t i = 0; i < cache->g.pages; i++) {
        if (row_owner(cache, cache->g.first + i) == owner)
            pages_give(cache, cache->g.first + i);
    }
}

uint32_t pages_left(const struct cache *cache)
{
    return atomic_load_explicit(&cache->shm->pool_n, memory_order_relaxed);
}

static bool whole(const struct cache *cache)
{
    uint32_t listed = 0, free = 0;
    for (uint32_t page = cache->shm->pool; page != 0; page = store_row(cache, page)->next) {
        if (page - cache->g.first >= cache->g.pages || row_owner(cache, page) != 0)
            return false;
        if (++listed > cache->g.pages)
            return false;
    }
    for (uint32_t i = 0; i < cache->g.pages; i++)
        free += row_owner(cache, cache->g.first + i) == 0;
    return listed == free && free == pages_left(cache);
}

bool pages_whole(struct cache *cache)
{
    lock(cache);
    bool good = whole(cache);
    unlock(cache);
    return good;
}
