/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Order of stores: a purge writes the table, then what was purged last of each kind, and the number
 * of the sequence at the end; a reader loads that number first. So who reads it sees all that
 * belongs to it, and who does not read it yet began before the purge has returned. A purger that
 * dies in between leaves labels with the number that the next purge will take: purged as well.
 *
 * A label takes the place of the oldest of its bucket in three stores: floor, sequence, tag. A
 * reader loads tags before the floor, so who misses the old label sees the floor; who still finds
 * its tag reads the old number or the new one, and both are no earlier than its purge.
 *
 * What a reader finds out is written down in `born` by a plain store: each such value is true, the
 * larger one just saves a look. It never moves past a soft purge, which holds until the object is
 * replaced or renewed.
 *
 * Prefixes are hashed as polynomials modulo 2^61 - 1, so that one pass over a text gives those of
 * all its lengths, and only lengths are looked up that were purged since.
 */
#include "shm/purges.h"
#include "shm/assert.h"
#include "shm/store.h"
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

static const uint64_t mersenne = (UINT64_C(1) << 61) - 1, golden = UINT64_C(0x9e3779b97f4a7c15);

/* --- labels --------------------------------------------------------------------------------- */

static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 32) * UINT64_C(0xd6e8feb86659fd93);
    x = (x ^ x >> 32) * UINT64_C(0xd6e8feb86659fd93);
    return x ^ x >> 32;
}

/* So that labels of different kinds never meet in the table. */
static uint64_t seal(uint64_t hash, enum purges_kind kind, bool folded)
{
    return mix(hash ^ ((uint64_t)kind * 2 + folded + 1) * golden);
}

static bool is_prefix(enum purges_kind kind)
{
    return kind == PURGES_PREFIX || kind == PURGES_PATH;
}

static uint64_t base_of(const struct cache *cache)
{
    uint64_t base;
    memcpy(&base, cache->shm->secret, sizeof base);
    return base % mersenne | 1;
}

static uint64_t step(uint64_t hash, uint64_t base, char c)
{
    unsigned __int128 product = (unsigned __int128)hash * base + (uint8_t)c + 1;
    uint64_t low = (uint64_t)product & mersenne, sum = low + (uint64_t)(product >> 61);
    return sum >= mersenne ? sum - mersenne : sum;
}

static struct purges_label prefix_label(const struct cache *cache, enum purges_kind kind,
                                        bool folded, const struct iovec *text, int n)
{
    uint64_t hash = 0, base = base_of(cache);
    uint32_t length = 0;
    for (int i = 0; i < n; i++) {
        const char *p = text[i].iov_base;
        for (size_t k = 0; k < text[i].iov_len && length < PURGES_PREFIX_MAX; k++, length++)
            hash = step(hash, base, p[k]);
    }
    return (struct purges_label){ kind, length, seal(hash, kind, folded) };
}

struct purges_label purges_label(const struct cache *cache, enum purges_kind kind, bool folded,
                                 const struct iovec *text, int n)
{
    if (is_prefix(kind))
        return prefix_label(cache, kind, folded, text, n);
    uint64_t hash = 0;
    for (int i = 0; i < n; i++) {
        const void *p = text[i].iov_len ? text[i].iov_base : "";
        hash = mix(hash ^
                   XXH3_64bits_withSecret(p, text[i].iov_len, cache->shm->secret, STORE_SECRET));
    }
    return (struct purges_label){ kind, 0, seal(hash, kind, folded) };
}

/* --- the table ------------------------------------------------------------------------------ */

static struct purges_bucket_shm *bucket_of(const struct cache *cache, enum purges_force force,
                                           uint64_t hash)
{
    uint64_t count = force == PURGES_HARD ? cache->g.purges : cache->g.purges_soft;
    uint64_t first = force == PURGES_HARD ? 0 : cache->g.purges;
    return &cache->purged[first + ((hash >> 32) * count >> 32)];
}

static uint32_t tag_of(uint64_t hash)
{
    return (uint32_t)hash | 1;
}

static uint64_t latest(const struct cache *cache, enum purges_force force, uint64_t hash)
{
    const struct purges_bucket_shm *bucket = bucket_of(cache, force, hash);
    uint64_t found = 0;
    for (int i = 0; i < PURGES_WAYS; i++) {
        if (atomic_load_explicit(&bucket->tag[i], memory_order_acquire) != tag_of(hash))
            continue;
        uint64_t at = atomic_load_explicit(&bucket->sequence[i], memory_order_acquire);
        found = at > found ? at : found;
    }
    uint64_t floor = atomic_load_explicit(&bucket->floor, memory_order_acquire);
    return found > floor ? found : floor;
}

/* The place that has the tag, or a free one, or the oldest. */
static int place_for(const struct purges_bucket_shm *bucket, uint32_t tag)
{
    int oldest = 0;
    for (int i = 0; i < PURGES_WAYS; i++) {
        if (atomic_load_explicit(&bucket->tag[i], memory_order_relaxed) == tag)
            return i;
        if (atomic_load_explicit(&bucket->sequence[i], memory_order_relaxed) <
            atomic_load_explicit(&bucket->sequence[oldest], memory_order_relaxed))
            oldest = i;
    }
    return oldest;
}

static void put(struct cache *cache, enum purges_force force, uint64_t hash, uint64_t number)
{
    struct purges_bucket_shm *bucket = bucket_of(cache, force, hash);
    int i = place_for(bucket, tag_of(hash));
    uint64_t old = atomic_load_explicit(&bucket->sequence[i], memory_order_relaxed);
    if (atomic_load_explicit(&bucket->tag[i], memory_order_relaxed) != tag_of(hash) &&
        old > atomic_load_explicit(&bucket->floor, memory_order_relaxed))
        atomic_store_explicit(&bucket->floor, old, memory_order_release);
    CRASH_POINT();
    atomic_store_explicit(&bucket->sequence[i], number, memory_order_release);
    CRASH_POINT();
    atomic_store_explicit(&bucket->tag[i], tag_of(hash), memory_order_release);
    CRASH_POINT();
}

static void mark(struct cache *cache, const struct purges_label *label, enum purges_force force,
                 uint64_t number)
{
    struct purges_shm *purges = &cache->shm->purged;
    if (label->kind != PURGES_ALL)
        put(cache, force, label->hash, number);
    if (is_prefix(label->kind))
        atomic_store_explicit(&purges->lengths[label->kind == PURGES_PATH][label->n], number,
                              memory_order_release);
    CRASH_POINT();
    atomic_store_explicit(&purges->last[force][label->kind], number, memory_order_release);
    CRASH_POINT();
}

uint64_t purges_mark(struct cache *cache, const struct purges_label *labels, size_t n,
                     enum purges_force force)
{
    struct purges_shm *purges = &cache->shm->purged;
    if (lock_take(&purges->lock, cache->slot) == LOCK_SUSPECT)
        lock_sound(&purges->lock); /* a purge is half done at worst, and never missing */
    CRASH_POINT();
    uint64_t number = atomic_load_explicit(&purges->sequence, memory_order_relaxed) + 1;
    for (size_t i = 0; i < n; i++)
        mark(cache, &labels[i], force, number);
    atomic_store_explicit(&purges->sequence, number, memory_order_seq_cst);
    CRASH_POINT();
    lock_give(&purges->lock, cache->slot);
    atomic_fetch_add_explicit(&cache->shm->purges, 1, memory_order_relaxed);
    if (cache->twin)
        (void)purges_mark(cache->twin, labels, n, force);
    return number;
}

/* --- looking -------------------------------------------------------------------------------- */

static uint64_t last_of(const struct cache *cache, enum purges_force force, enum purges_kind kind)
{
    return atomic_load_explicit(&cache->shm->purged.last[force][kind], memory_order_acquire);
}

void purges_use(struct cache *cache, purges_labeler *labeler)
{
    cache->labeler = labeler;
}

bool purges_wants(const struct purges_look *look, enum purges_kind kind)
{
    for (size_t i = 0; i < look->wanted_n; i++) {
        if (look->wanted[i].kind == kind)
            return true;
    }
    return !look->wanted && (last_of(look->cache, PURGES_HARD, kind) > look->born ||
                             last_of(look->cache, PURGES_SOFT, kind) > look->born);
}

static void worse(struct purges_look *look, enum purges_verdict verdict)
{
    if (look->verdict < verdict)
        look->verdict = verdict;
}

static void compare(struct purges_look *look, struct purges_label label)
{
    for (size_t i = 0; i < look->wanted_n; i++) {
        const struct purges_label *wanted = &look->wanted[i];
        if (wanted->kind == label.kind && wanted->hash == label.hash)
            look->carries = true;
    }
}

void purges_see(struct purges_look *look, struct purges_label label)
{
    if (look->wanted)
        compare(look, label);
    else if (last_of(look->cache, PURGES_HARD, label.kind) > look->born &&
             latest(look->cache, PURGES_HARD, label.hash) > look->born)
        worse(look, PURGES_DEAD);
    else if (last_of(look->cache, PURGES_SOFT, label.kind) > look->born &&
             latest(look->cache, PURGES_SOFT, label.hash) > look->born)
        worse(look, PURGES_STALE);
}

void purges_see_any(struct purges_look *look, enum purges_kind kind)
{
    if (look->wanted)
        look->carries |= purges_wants(look, kind);
    else if (last_of(look->cache, PURGES_HARD, kind) > look->born)
        worse(look, PURGES_DEAD);
    else if (last_of(look->cache, PURGES_SOFT, kind) > look->born)
        worse(look, PURGES_STALE);
}

static void see_prefix(struct purges_look *look, enum purges_kind kind, bool folded, uint64_t hash,
                       uint32_t length)
{
    const _Atomic uint64_t *last = &look->cache->shm->purged.lengths[kind == PURGES_PATH][length];
    if (!look->wanted && atomic_load_explicit(last, memory_order_acquire) <= look->born)
        return;
    purges_see(look, (struct purges_label){ kind, length, seal(hash, kind, false) });
    if (folded)
        purges_see(look, (struct purges_label){ kind, length, seal(hash, kind, true) });
}

void purges_see_prefixes(struct purges_look *look, enum purges_kind kind, bool folded,
                         const struct iovec *text, int n)
{
    uint64_t hash = 0, base = base_of(look->cache);
    uint32_t length = 0;
    for (int i = 0; i < n; i++) {
        const char *p = text[i].iov_base;
        for (size_t k = 0; k < text[i].iov_len && length < PURGES_PREFIX_MAX; k++) {
            hash = step(hash, base, p[k]);
            see_prefix(look, kind, folded, hash, ++length);
        }
    }
}

static void see_all(struct purges_look *look, const uint8_t *id, const struct cache_hit *hit)
{
    const struct iovec text = { (void *)(uintptr_t)id, CACHE_ID_SIZE };
    purges_see_any(look, PURGES_ALL);
    if (purges_wants(look, PURGES_KEY))
        purges_see(look, purges_label(look->cache, PURGES_KEY, false, &text, 1));
    if (look->cache->labeler && look->verdict != PURGES_DEAD)
        look->cache->labeler(look, hit);
}

bool purges_carries(const struct cache *cache, const uint8_t id[CACHE_ID_SIZE],
                    const struct cache_hit *hit, const struct purges_label *labels, size_t n)
{
    struct purges_look look = { .cache = cache, .wanted = labels, .wanted_n = n };
    must(labels);
    see_all(&look, id, hit);
    return look.carries;
}

enum purges_verdict purges_since(const struct cache *cache, const uint8_t id[CACHE_ID_SIZE],
                                 const struct cache_hit *like, uint64_t born)
{
    struct purges_look look = { .cache = cache, .born = born };
    if (born < store_sequence(cache))
        see_all(&look, id, like);
    return look.verdict;
}

enum purges_verdict purges_judge(const struct cache *cache, const struct cache_entry_shm *entry)
{
    /* before anything else of a purge is looked at: what comes later is looked at next time */
    uint64_t number = store_sequence(cache);
    struct cache_hit hit;
    cache_describe(cache, entry, 0, &hit);
    _Atomic uint64_t *at = (_Atomic uint64_t *)(uintptr_t)&hit.meta->born;
    uint64_t born = atomic_load_explicit(at, memory_order_relaxed);
    if (born >= number)
        return PURGES_ALIVE;
    enum purges_verdict verdict = purges_since(cache, entry->id, &hit, born);
    if (verdict == PURGES_ALIVE)
        atomic_store_explicit(at, number, memory_order_relaxed);
    return verdict;
}
