/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The body of a pinned object as vectors: what lies in the entry's own chunk behind the head, then
 * chunk after chunk. A long body is asked for piece by piece, so each process remembers where it
 * was in a few of those that it reads.
 */
#include "shm/store.h"

struct at {
    uint32_t chunk;  /* 0: in the entry itself */
    uint64_t offset; /* of the body, where the chunk begins */
    const char *p;
    uint64_t n;
};

static void enter(const struct cache *cache, uint32_t chunk, struct at *at)
{
    const struct slab_chunk_shm *c = store_chunk(cache, chunk);
    at->chunk = chunk;
    at->p = (const char *)(c + 1);
    at->n = c->used;
}

static void begin(const struct cache *cache, const struct cache_entry_shm *entry, uint32_t ref,
                  uint64_t offset, struct at *at)
{
    const struct store_cursor *cursor = &cache->cursors[ref % STORE_CURSORS];
    *at = (struct at){ .p = entry->text + entry->key_n + entry->head_n, .n = store_inline(entry) };
    if (cursor->ref == ref && cursor->offset <= offset) {
        at->offset = cursor->offset;
        enter(cache, cursor->chunk, at);
    }
}

static bool advance(const struct cache *cache, const struct cache_entry_shm *entry, struct at *at)
{
    const struct slab_chunk_shm *c = at->chunk ? store_chunk(cache, at->chunk) : &entry->chunk;
    uint32_t next = atomic_load_explicit(&c->next, memory_order_relaxed);
    if (next == 0)
        return false;
    at->offset += at->n;
    enter(cache, next, at);
    return true;
}

/* The cursors are the process's own, a memory of where it was: const to those who call. */
static void remember_at(const struct cache *cache, uint32_t ref, const struct at *at)
{
    struct cache *own = (struct cache *)(uintptr_t)cache;
    if (at->chunk != 0)
        own->cursors[ref % STORE_CURSORS] = (struct store_cursor){ ref, at->chunk, at->offset };
}

int cache_body(const struct cache *cache, const struct cache_hit *hit, uint64_t offset,
               struct iovec *iov, int max, size_t *bytes)
{
    const struct cache_entry_shm *entry = hit->entry;
    uint32_t ref = (uint32_t)((uint64_t)((const char *)entry - cache->base) / SLAB_UNIT);
    struct at at;
    int count = 0;
    *bytes = 0;
    if (offset == 0 && entry->body_n > 0 && max > 0 && store_inline(entry) == entry->body_n) {
        iov[0] = (struct iovec){ (void *)(uintptr_t)(entry->text + entry->key_n + entry->head_n),
                                 entry->body_n };
        *bytes = entry->body_n;
        return 1;
    }
    begin(cache, entry, ref, offset, &at);
    do {
        if (offset >= at.offset + at.n)
            continue;
        if (count == max)
            break;
        if (count == 0) /* the caller may not get as far as it asked: it comes back behind this */
            remember_at(cache, ref, &at);
        uint64_t skip = offset - at.offset;
        iov[count].iov_base = (void *)(uintptr_t)(at.p + skip);
        iov[count].iov_len = at.n - skip;
        *bytes += at.n - skip;
        offset += at.n - skip;
        count++;
    } while (advance(cache, entry, &at));
    return count;
}

/* A chunk that another one follows is full and changes no more; of the last one as much counts as
 * is known of the body. Whoever linked the next one, or made more of the body known, wrote the
 * bytes before. */
static uint64_t settled(const struct cache *cache, const struct cache_entry_shm *entry,
                        const struct cache_growth *at, uint32_t *next)
{
    const struct slab_chunk_shm *c = at->chunk ? store_chunk(cache, at->chunk) : &entry->chunk;
    *next = atomic_load_explicit(&c->next, memory_order_acquire);
    if (*next == 0)
        return at->known - at->chunk_at;
    uint64_t used = __atomic_load_n(&c->used, __ATOMIC_RELAXED);
    return at->chunk ? used : used - (uint64_t)STORE_FIXED - entry->key_n - entry->head_n;
}

int cache_body_grown(const struct cache *cache, const struct cache_hit *hit,
                     struct cache_growth *growth, struct iovec *iov, int max)
{
    const struct cache_entry_shm *entry = hit->entry;
    struct cache_growth at = *growth;
    uint32_t next;
    int count = 0;
    while (count < max && at.offset < at.known) {
        uint64_t n = settled(cache, entry, &at, &next), skip = at.offset - at.chunk_at;
        const char *p = at.chunk ? (const char *)(store_chunk(cache, at.chunk) + 1)
                                 : entry->text + entry->key_n + entry->head_n;
        if (n > at.known - at.chunk_at)
            n = at.known - at.chunk_at;
        if (skip < n) {
            if (count == 0) /* the caller may not get as far as it asked: it comes back here */
                *growth = (struct cache_growth){ at.known, at.offset, at.chunk_at, at.chunk };
            iov[count++] = (struct iovec){ (void *)(uintptr_t)(p + skip), (size_t)(n - skip) };
            at.offset = at.chunk_at + n;
        }
        if (next == 0)
            break;
        at.chunk_at += n;
        at.chunk = next;
    }
    return count;
}
