/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pages are cut lazily: a chunk gets its header when it is handed out for the first time (`carved`
 * counts them), so a fresh page costs nothing. A page that was full and gets room goes to the front
 * of its class, so that nearly full pages are filled first and sparse ones get a chance to run
 * empty. Pages with room also hang in one of eight lists by how full they are: there the search for
 * the cheapest page to empty begins.
 */
#include "shm/slab.h"
#include "shm/assert.h"
#include "shm/store.h"

enum {
    PARTS = 45, /* from this many parts of a page downwards, sizes are fractions of a page */
    IDLE_SHARE = 32,
    IDLE_FLOOR = 2 * PAGES_SIZE
};

static uint32_t next_size(uint32_t units)
{
    if (units < SLAB_UNITS / PARTS)
        return units + 1;
    uint32_t parts = SLAB_UNITS / units;
    while (SLAB_UNITS / parts == units)
        parts--;
    return SLAB_UNITS / parts;
}

void slab_sizes(struct slab_sizes *sizes)
{
    uint32_t n = 0, units = 2;
    for (; units < SLAB_UNITS; units = next_size(units))
        sizes->units[n++] = (uint16_t)units;
    must(n < SLAB_CLASSES);
    sizes->units[n++] = SLAB_UNITS;
    sizes->count = (uint8_t)n;
    uint32_t class = 0;
    for (units = 0; units <= SLAB_UNITS; units++) {
        if (units > sizes->units[class])
            class ++;
        sizes->up[units] = (uint8_t) class;
    }
}

uint32_t slab_class(const struct slab_sizes *sizes, uint32_t bytes)
{
    must(bytes <= PAGES_SIZE);
    return sizes->up[(bytes + SLAB_UNIT - 1) / SLAB_UNIT];
}

uint32_t slab_class_below(const struct slab_sizes *sizes, uint32_t bytes)
{
    must(bytes <= PAGES_SIZE);
    uint32_t units = bytes / SLAB_UNIT, class = sizes->up[units];
    return sizes->units[class] > units && class > 0 ? class - 1 : class;
}

static struct slab_shm *shard_slab(const struct cache *cache, uint32_t shard)
{
    return &cache->shards[shard].slab;
}

static uint32_t row_class(const struct pages_row_shm *row)
{
    return pages_class(atomic_load_explicit(&row->owner, memory_order_relaxed));
}

static uint32_t class_bytes(const struct cache *cache, uint32_t class)
{
    return (uint32_t)cache->sizes.units[class] * SLAB_UNIT;
}

static uint32_t row_room(const struct cache *cache, const struct pages_row_shm *row)
{
    return (uint32_t)SLAB_UNITS / cache->sizes.units[row_class(row)];
}

static uint32_t row_bin(const struct cache *cache, const struct pages_row_shm *row, uint32_t used)
{
    uint32_t bin = used * class_bytes(cache, row_class(row)) / (PAGES_SIZE / SLAB_BINS);
    return bin < SLAB_BINS ? bin : SLAB_BINS - 1;
}

static void bin_link(struct cache *cache, uint32_t shard, uint32_t page)
{
    struct pages_row_shm *row = store_row(cache, page);
    uint32_t *first = &shard_slab(cache, shard)->bins[row_bin(cache, row, row->used)];
    row->bin_prev = 0;
    row->bin_next = *first;
    if (*first)
        store_row(cache, *first)->bin_prev = page;
    *first = page;
}

static void bin_unlink(struct cache *cache, uint32_t shard, uint32_t page, uint32_t bin)
{
    struct pages_row_shm *row = store_row(cache, page);
    if (row->bin_next)
        store_row(cache, row->bin_next)->bin_prev = row->bin_prev;
    if (row->bin_prev)
        store_row(cache, row->bin_prev)->bin_next = row->bin_next;
    else
        shard_slab(cache, shard)->bins[bin] = row->bin_next;
}

static void class_link(struct cache *cache, uint32_t shard, uint32_t page)
{
    struct pages_row_shm *row = store_row(cache, page);
    uint32_t *first = &shard_slab(cache, shard)->partial[row_class(row)];
    row->prev = 0;
    row->next = *first;
    if (*first)
        store_row(cache, *first)->prev = page;
    *first = page;
}

static void class_unlink(struct cache *cache, uint32_t shard, uint32_t page)
{
    struct pages_row_shm *row = store_row(cache, page);
    if (row->next)
        store_row(cache, row->next)->prev = row->prev;
    if (row->prev)
        store_row(cache, row->prev)->next = row->next;
    else
        shard_slab(cache, shard)->partial[row_class(row)] = row->next;
}

/* Lists follow a change of `used` by one. */
static void relist(struct cache *cache, uint32_t shard, uint32_t page, uint32_t before)
{
    struct pages_row_shm *row = store_row(cache, page);
    uint32_t room = row_room(cache, row), old = row_bin(cache, row, before);
    bool was = before < room, is = row->used < room;
    if (was && is && old == row_bin(cache, row, row->used))
        return;
    if (was)
        bin_unlink(cache, shard, page, old);
    CRASH_POINT();
    if (is)
        bin_link(cache, shard, page);
    if (was && !is)
        class_unlink(cache, shard, page);
    if (!was && is)
        class_link(cache, shard, page);
}

static uint32_t new_page(struct cache *cache, uint32_t shard, uint32_t class)
{
    uint32_t page = pages_take(cache, pages_owner(PAGES_SLAB, PAGES_NO_CLASS, shard));
    if (page == 0)
        return 0;
    struct pages_row_shm *row = store_row(cache, page);
    row->free = 0;
    row->used = row->carved = 0;
    CRASH_POINT();
    atomic_store_explicit(&row->owner, pages_owner(PAGES_SLAB, class, shard), memory_order_release);
    CRASH_POINT();
    atomic_fetch_add_explicit(&shard_slab(cache, shard)->pages, 1, memory_order_relaxed);
    bin_link(cache, shard, page);
    class_link(cache, shard, page);
    return page;
}

/* A page with room for a size that is up to an eighth larger. */
static uint32_t page_near(const struct cache *cache, uint32_t shard, uint32_t class)
{
    const struct slab_shm *slab = shard_slab(cache, shard);
    uint32_t page = 0, limit = class_bytes(cache, class) * 9 / 8;
    while (page == 0 && ++class < cache->sizes.count && class_bytes(cache, class) <= limit)
        page = slab->partial[class];
    return page;
}

/* A near size will do when much is idle in pages of other sizes already, so that in a small
 * dictionary not each size has a page to itself; or when there is no page to cut: better than to
 * evict for a size. */
static uint32_t page_for(struct cache *cache, uint32_t shard, uint32_t class)
{
    uint32_t page = shard_slab(cache, shard)->partial[class];
    bool near = page == 0 && slab_idle(cache, shard);
    if (near)
        page = page_near(cache, shard, class);
    if (page == 0)
        page = new_page(cache, shard, class);
    return page == 0 && !near ? page_near(cache, shard, class) : page;
}

bool slab_idle(const struct cache *cache, uint32_t shard)
{
    const struct slab_shm *slab = shard_slab(cache, shard);
    uint64_t held = (uint64_t)atomic_load_explicit(&slab->pages, memory_order_relaxed) * PAGES_SIZE;
    return held - slab->used > held / IDLE_SHARE + IDLE_FLOOR;
}

uint32_t slab_nth(const struct cache *cache, uint32_t page, uint32_t i)
{
    const struct pages_row_shm *row = store_row(cache, page);
    return i < row->carved ? page * SLAB_UNITS + i * cache->sizes.units[row_class(row)] : 0;
}

static uint32_t page_pop(struct cache *cache, uint32_t page)
{
    struct pages_row_shm *row = store_row(cache, page);
    uint32_t ref = row->free;
    struct slab_chunk_shm *chunk;
    if (ref != 0) {
        chunk = store_chunk(cache, ref);
        row->free = atomic_load_explicit(&chunk->next, memory_order_relaxed);
    } else {
        ref = page * SLAB_UNITS + (uint32_t)row->carved * cache->sizes.units[row_class(row)];
        chunk = store_chunk(cache, ref);
        atomic_store_explicit(&chunk->owner, 0, memory_order_release);
        CRASH_POINT();
        row->carved++;
    }
    must(atomic_load_explicit(&chunk->owner, memory_order_relaxed) == 0);
    atomic_store_explicit(&chunk->next, 0, memory_order_relaxed);
    chunk->used = chunk->mark = 0;
    return ref;
}

uint32_t slab_take(struct cache *cache, uint32_t shard, uint32_t class)
{
    must(class < cache->sizes.count);
    uint32_t page = page_for(cache, shard, class);
    if (page == 0)
        return 0;
    struct pages_row_shm *row = store_row(cache, page);
    uint32_t ref = page_pop(cache, page);
    CRASH_POINT();
    row->used++;
    must(row->used <= row->carved && row->carved <= row_room(cache, row));
    relist(cache, shard, page, row->used - 1u);
    CRASH_POINT();
    shard_slab(cache, shard)->used += class_bytes(cache, row_class(row));
    return ref;
}

static void drop_page(struct cache *cache, uint32_t shard, uint32_t page)
{
    struct pages_row_shm *row = store_row(cache, page);
    atomic_store_explicit(&row->owner, pages_owner(PAGES_SLAB, PAGES_NO_CLASS, shard),
                          memory_order_release);
    CRASH_POINT();
    atomic_fetch_sub_explicit(&shard_slab(cache, shard)->pages, 1, memory_order_relaxed);
    pages_give(cache, page);
}

void slab_give(struct cache *cache, uint32_t shard, uint32_t ref)
{
    uint32_t page = store_page(ref);
    struct pages_row_shm *row = store_row(cache, page);
    struct slab_chunk_shm *chunk = store_chunk(cache, ref);
    must(row->used > 0);
    atomic_store_explicit(&chunk->owner, 0, memory_order_release);
    CRASH_POINT();
    atomic_store_explicit(&chunk->next, row->free, memory_order_relaxed);
    row->free = ref;
    CRASH_POINT();
    row->used--;
    shard_slab(cache, shard)->used -= class_bytes(cache, row_class(row));
    relist(cache, shard, page, row->used + 1u);
    if (row->used > 0)
        return;
    bin_unlink(cache, shard, page, 0);
    CRASH_POINT();
    class_unlink(cache, shard, page);
    drop_page(cache, shard, page);
}

uint32_t slab_size(const struct cache *cache, uint32_t ref)
{
    return class_bytes(cache, row_class(store_row(cache, store_page(ref))));
}

uint32_t slab_sparse(const struct cache *cache, uint32_t shard, uint32_t nth)
{
    const struct slab_shm *slab = shard_slab(cache, shard);
    for (uint32_t bin = 0; bin < SLAB_BINS; bin++) {
        for (uint32_t page = slab->bins[bin]; page != 0; page = store_row(cache, page)->bin_next) {
            if (nth-- == 0)
                return page;
        }
    }
    return 0;
}

bool slab_valid(const struct cache *cache, uint32_t shard, uint32_t ref)
{
    uint32_t page = store_page(ref);
    if (page < cache->g.first || page - cache->g.first >= cache->g.pages)
        return false;
    const struct pages_row_shm *row = store_row(cache, page);
    uint32_t owner = atomic_load_explicit(&row->owner, memory_order_acquire);
    if (pages_kind(owner) != PAGES_SLAB || pages_who(owner) != shard ||
        pages_class(owner) >= cache->sizes.count)
        return false;
    uint32_t units = cache->sizes.units[pages_class(owner)], at = ref % SLAB_UNITS;
    return at % units == 0 && at / units < row->carved;
}

void slab_forget(struct cache *cache, uint32_t shard)
{
    struct slab_shm *slab = shard_slab(cache, shard);
    for (uint32_t i = 0; i < SLAB_CLASSES; i++)
        slab->partial[i] = 0;
    for (uint32_t i = 0; i < SLAB_BINS; i++)
        slab->bins[i] = 0;
    atomic_store_explicit(&slab->pages, 0, memory_order_relaxed);
    slab->used = 0;
}

void slab_recount(struct cache *cache, uint32_t shard, uint32_t page, uint16_t mark)
{
    struct pages_row_shm *row = store_row(cache, page);
    struct slab_shm *slab = shard_slab(cache, shard);
    uint32_t class = row_class(row), ref;
    row->free = 0;
    row->used = 0;
    for (uint32_t i = 0; class != PAGES_NO_CLASS && (ref = slab_nth(cache, page, i)) != 0; i++) {
        struct slab_chunk_shm *chunk = store_chunk(cache, ref);
        if (atomic_load_explicit(&chunk->owner, memory_order_relaxed) != 0 && chunk->mark == mark) {
            row->used++;
            continue;
        }
        atomic_store_explicit(&chunk->owner, 0, memory_order_release);
        atomic_store_explicit(&chunk->next, row->free, memory_order_relaxed);
        row->free = ref;
    }
    atomic_fetch_add_explicit(&slab->pages, 1, memory_order_relaxed);
    if (row->used == 0) {
        drop_page(cache, shard, page);
        return;
    }
    slab->used += row->used * (uint64_t)class_bytes(cache, class);
    if (row->used < row_room(cache, row)) {
        bin_link(cache, shard, page);
        class_link(cache, shard, page);
    }
}

bool slab_whole(const struct cache *cache, uint32_t shard, uint32_t page, uint16_t mark)
{
    const struct pages_row_shm *row = store_row(cache, page);
    uint32_t used = 0, listed = 0, ref;
    if (row_class(row) >= cache->sizes.count || row->carved > row_room(cache, row))
        return false;
    for (uint32_t i = 0; (ref = slab_nth(cache, page, i)) != 0; i++) {
        const struct slab_chunk_shm *chunk = store_chunk(cache, ref);
        bool owned = atomic_load_explicit(&chunk->owner, memory_order_relaxed) != 0;
        if (owned && chunk->mark != mark)
            return false;
        used += owned;
    }
    for (ref = row->free; ref != 0;
         ref = atomic_load_explicit(&store_chunk(cache, ref)->next, memory_order_relaxed)) {
        if (store_page(ref) != page || !slab_valid(cache, shard, ref) || ++listed > row->carved ||
            atomic_load_explicit(&store_chunk(cache, ref)->owner, memory_order_relaxed) != 0)
            return false;
    }
    return used == row->used && used > 0 && listed + used == row->carved;
}

/* Pages in the lists have room, are where they belong, and are as many in the one set of lists as
 * in the other. */
bool slab_lists_whole(const struct cache *cache, uint32_t shard)
{
    const struct slab_shm *slab = shard_slab(cache, shard);
    uint32_t by_class = 0, by_bin = 0, by_row = 0;
    for (uint32_t class = 0; class < SLAB_CLASSES; class ++) {
        for (uint32_t page = slab->partial[class]; page != 0; page = store_row(cache, page)->next) {
            if (row_class(store_row(cache, page)) != class || ++by_class > cache->g.pages)
                return false;
        }
    }
    for (uint32_t bin = 0; bin < SLAB_BINS; bin++) {
        for (uint32_t page = slab->bins[bin]; page != 0; page = store_row(cache, page)->bin_next) {
            const struct pages_row_shm *row = store_row(cache, page);
            if (row_bin(cache, row, row->used) != bin || ++by_bin > cache->g.pages)
                return false;
        }
    }
    for (uint32_t i = 0; i < cache->g.pages; i++) {
        const struct pages_row_shm *row = &cache->pages[i];
        uint32_t owner = atomic_load_explicit(&row->owner, memory_order_relaxed);
        if (pages_kind(owner) == PAGES_SLAB && pages_who(owner) == shard)
            by_row += row->used < row_room(cache, row);
    }
    return by_class == by_bin && by_bin == by_row;
}
