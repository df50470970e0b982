/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walks over the index of the old zone, without a lock: one that weighs what is there, by queue,
 * heat and age, and finds what fits; one that copies what is chosen of the small queue, one for the
 * main queue, and one for what was stored or renewed meanwhile.
 *
 * Why nothing that was purged comes back: a purge is made in the old zone first, then in the new
 * one. A purge by label takes the next number of the new zone's sequence; the copy is born with the
 * number that was there before the object was found to be alive in the old zone. So either the
 * object is seen to be dead, or the purge's second half comes later and counts for the copy. A
 * purge of one object removes it from the old index, then looks into the new zone for what is there
 * or being filled: so the copy is first on the list of fills, and only then it is made sure that
 * the old index still leads to the object.
 *
 * What was purged softly before is told apart by a purge of everything that is the new zone's
 * first: such objects are born before it, all others after.
 */
#include "shm/cache_move.h"
#include "shm/assert.h"
#include "shm/store.h"
#include <string.h>

enum {
    MOVE_AGES = 32,   /* powers of two, in seconds */
    MOVE_CLASSES = 8, /* heat 0 to 3 in the small queue, then in the main one */
    MOVE_SHARE = 16,  /* of the pages one in so many is left for the index and for rounding */
    MOVE_VECTORS = 16,
    MOVE_EVERYTHING = 1
};

struct move {
    struct cache *to, *from;
    int64_t now;
    uint64_t weight[MOVE_CLASSES][MOVE_AGES]; /* bytes */
    uint32_t class, age;  /* the least that is chosen: of that class, up to age */
    uint32_t first, last; /* classes of this walk */
    struct cache_moved *moved;
};

void cache_move_kin(const struct zone *zone, const struct zone *like)
{
    struct store_shm *to = region_body(zone);
    const struct store_shm *from = region_body(like);
    memcpy(to->secret, from->secret, STORE_SECRET);
}

void cache_move_twin(struct cache *cache, struct cache *twin)
{
    must(twin != cache && (!twin || !twin->twin));
    cache->twin = twin;
}

/* --- what is worth how much ----------------------------------------------------------------- */

static uint32_t class_of(const struct cache_entry_shm *entry)
{
    uint32_t heat = atomic_load_explicit(&entry->heat, memory_order_relaxed);
    bool main = atomic_load_explicit(&entry->list, memory_order_relaxed) == QUEUE_MAIN;
    return (heat < QUEUE_HEAT ? heat : QUEUE_HEAT) + (main ? MOVE_CLASSES / 2 : 0);
}

static uint32_t age_of(const struct move *m, const struct cache_hit *hit)
{
    uint64_t age = hit->meta->stored < m->now ? (uint64_t)(m->now - hit->meta->stored) : 0;
    uint32_t power = 0;
    while (age > 0 && power < MOVE_AGES - 1) {
        age >>= 1;
        power++;
    }
    return power;
}

static uint64_t bytes_of(const struct cache_hit *hit)
{
    return sizeof(struct cache_entry_shm) + hit->key_n + hit->head_n + hit->body_n;
}

static bool weigh(void *arg, const uint8_t id[CACHE_ID_SIZE], const struct cache_hit *hit)
{
    struct move *m = arg;
    (void)id;
    m->weight[class_of(hit->entry)][age_of(m, hit)] += bytes_of(hit);
    return true;
}

/* From the hottest class down, in each from the youngest on, as much as there is room for. */
static void choose(struct move *m)
{
    uint64_t room = (uint64_t)m->to->g.pages * PAGES_SIZE, sum = 0;
    room -= room / MOVE_SHARE;
    for (uint32_t class = MOVE_CLASSES; class -- > 0;) {
        for (uint32_t age = 0; age < MOVE_AGES; age++) {
            m->class = class;
            m->age = age;
            sum += m->weight[class][age];
            if (sum > room)
                return;
        }
    }
}

static bool is_chosen(const struct move *m, uint32_t class, uint32_t age)
{
    return class > m->class || (class == m->class && age <= m->age);
}

/* --- one object ----------------------------------------------------------------------------- */

/* Whether the index still leads to a pinned entry. */
static bool is_there(const struct cache *cache, const struct cache_entry_shm *entry)
{
    struct index_place place = store_place(cache, entry->id);
    uint32_t ref = (uint32_t)((uint64_t)((const char *)entry - cache->base) / SLAB_UNIT);
    uint64_t wanted = (uint64_t)place.tag << 32 | ref;
    const struct index_bucket_shm *bucket = &cache->buckets[place.bucket];
    atomic_thread_fence(memory_order_seq_cst);
    for (int hops = 0; hops < INDEX_HOPS; hops++) {
        for (int i = 0; i < INDEX_SLOTS; i++)
            if (atomic_load_explicit(&bucket->slot[i], memory_order_acquire) == wanted)
                return true;
        uint32_t next = atomic_load_explicit(&bucket->next, memory_order_acquire);
        if (next == 0)
            break;
        bucket = store_at(cache, next);
    }
    return false;
}

/* Whether the new zone has that very version. */
static bool has_copy(struct cache *to, const uint8_t *id, const struct cache_hit *hit)
{
    uint32_t shard = store_place(to, id).shard;
    (void)store_lock(to, shard);
    uint32_t ref = index_get(to, id);
    const struct cache_entry_shm *entry = ref ? store_entry(to, ref) : NULL;
    bool same = entry && entry->body_n == hit->body_n && entry->head_n == hit->head_n &&
                store_meta(to, entry)->stored == hit->meta->stored;
    store_unlock(to, shard);
    return same;
}

static bool copy_body(const struct move *m, const struct cache_hit *hit, struct cache_fill *fill)
{
    struct iovec part[MOVE_VECTORS];
    uint64_t at = 0;
    while (at < hit->body_n) {
        size_t bytes;
        int n = cache_body(m->from, hit, at, part, MOVE_VECTORS, &bytes);
        if (n <= 0)
            return false;
        for (int i = 0; i < n; i++)
            if (!cache_fill_append(fill, part[i].iov_base, part[i].iov_len))
                return false;
        at += bytes;
    }
    return at == hit->body_n;
}

/* `born`: what the copy comes after. */
static bool copy(const struct move *m, const uint8_t *id, const struct cache_hit *hit,
                 uint64_t born)
{
    struct cache_meta meta = *hit->meta;
    atomic_store_explicit(&meta.born, born, memory_order_relaxed);
    struct cache_fill *fill = cache_fill_begin(m->to, id, hit->key, hit->key_n, &meta, hit->head,
                                               hit->head_n, hit->body_n);
    if (!fill)
        return false;
    uint32_t class = class_of(hit->entry);
    cache_fill_moved(fill, (uint32_t)hit->hits, (uint8_t)(class % (MOVE_CLASSES / 2)),
                     class >= MOVE_CLASSES / 2);
    if (is_there(m->from, hit->entry) && copy_body(m, hit, fill))
        return cache_fill_commit(&fill);
    cache_fill_abort(&fill);
    return false;
}

/* Whether the object has a copy by the end, so far as anything can be said of it. */
static bool bring(const struct move *m, const uint8_t *id, const struct cache_hit *hit)
{
    uint64_t number = store_sequence(m->to);
    uint64_t born = atomic_load_explicit(&hit->meta->born, memory_order_relaxed);
    enum purges_verdict verdict = purges_since(m->from, id, hit, born);
    if (verdict == PURGES_DEAD ||
        !copy(m, id, hit, verdict == PURGES_STALE ? MOVE_EVERYTHING : number))
        return false;
    m->moved->objects++;
    m->moved->bytes += bytes_of(hit);
    return true;
}

static bool move_one(void *arg, const uint8_t id[CACHE_ID_SIZE], const struct cache_hit *hit)
{
    struct move *m = arg;
    uint32_t class = class_of(hit->entry);
    if (class >= m->first && class <= m->last && is_chosen(m, class, age_of(m, hit)))
        (void)bring(m, id, hit);
    return true;
}

/* What was stored or renewed since the move began. What had to give way to others is not tried
 * again. */
static bool follow_one(void *arg, const uint8_t id[CACHE_ID_SIZE], const struct cache_hit *hit)
{
    struct move *m = arg;
    if (has_copy(m->to, id, hit))
        return true;
    if (hit->meta->stored < m->now || !bring(m, id, hit))
        m->moved->left++;
    return true;
}

/* --- all of them ---------------------------------------------------------------------------- */

static void move_classes(struct move *m, uint32_t first, uint32_t last)
{
    m->first = first;
    m->last = last;
    cache_walk(m->from, m->now, move_one, m);
}

void cache_move(struct cache *to, struct cache *from, int64_t now, struct cache_moved *moved)
{
    static const struct purges_label all = { .kind = PURGES_ALL };
    struct move m = { .to = to, .from = from, .now = now, .moved = moved };
    *moved = (struct cache_moved){ 0 };
    to->now = now;
    (void)purges_mark(to, &all, 1, PURGES_SOFT);
    cache_walk(from, now, weigh, &m);
    choose(&m);
    move_classes(&m, 0, MOVE_CLASSES / 2 - 1);
    move_classes(&m, MOVE_CLASSES / 2, MOVE_CLASSES - 1);
    cache_walk(from, now, follow_one, &m);
}
