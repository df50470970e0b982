/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Layout: a head, the names of the routes (row by row), a hash index from id to row, then one block
 * a slot: its process counters, a bitmap of the rows that it has ever asked for, and the rows. The
 * zone is sparse: reading a page that was never written would make it real, so a reader looks at
 * the bitmap first. Rows are dense, the index only finds them; both are written by the master
 * alone. The capacity is read once a call and checked against the size of the mapping, so that a
 * scribbled head leads nobody out of the zone.
 */
#include "shm/stats.h"
#include "conf/fnv.h"
#include "shm/board.h"
#include <string.h>

enum { STATS_ID = 40, STATS_NAME = 88, STATS_ROWS_MAX = 1 << 20 };

#define STATS_GONE UINT32_MAX /* in the index: was a row once, keep on looking */

struct stats_name_shm {
    char id[STATS_ID];
    char name[STATS_NAME];
    _Atomic uint64_t generation; /* the latest load that named it; 0 = free row */
};
_Static_assert(sizeof(struct stats_name_shm) == 136, "layout");

struct stats_shm {
    _Atomic uint32_t capacity;         /* rows a slot; fixed */
    _Atomic uint32_t rows;             /* rows given so far: all below were claimed once */
    _Atomic uint8_t used[BOARD_SLOTS]; /* 1: the slot's block has been asked for */
} __attribute__((aligned(64)));
_Static_assert(sizeof(struct stats_shm) == 320, "layout");
_Static_assert(sizeof(struct stats_route_shm) == 320, "layout");
_Static_assert(sizeof(struct stats_process_shm) == 576, "layout");

const uint64_t stats_bounds[STATS_BUCKETS] = { 100,      250,       500,     1000,    2500,
                                               5000,     10000,     25000,   50000,   100000,
                                               250000,   500000,    1000000, 2500000, 5000000,
                                               10000000, UINT64_MAX };

/* --- layout: offsets from the body, in bytes ------------------------------------------- */

static uint64_t stats_round(uint64_t n)
{
    return (n + 63) / 64 * 64;
}

static uint64_t stats_index_size(uint32_t capacity)
{
    uint64_t n = 64;
    while (n < (uint64_t)capacity * 4)
        n *= 2;
    return n;
}

static uint64_t stats_index_at(uint32_t capacity)
{
    return sizeof(struct stats_shm) + stats_round(capacity * sizeof(struct stats_name_shm));
}

static uint64_t stats_blocks_at(uint32_t capacity)
{
    uint64_t end = stats_index_at(capacity) + stats_index_size(capacity) * sizeof(uint32_t);
    return (end + 4095) / 4096 * 4096;
}

static uint64_t stats_rows_at(uint32_t capacity) /* from the start of a block */
{
    return sizeof(struct stats_process_shm) + stats_round((capacity + 7) / 8);
}

static uint64_t stats_block_size(uint32_t capacity)
{
    uint64_t n = stats_rows_at(capacity) + capacity * sizeof(struct stats_route_shm);
    return (n + 4095) / 4096 * 4096;
}

static uint64_t stats_size(uint32_t capacity)
{
    return 128 + stats_blocks_at(capacity) + BOARD_SLOTS * stats_block_size(capacity);
}

bool stats_make(struct zone *zone, uint32_t routes)
{
    struct stats_shm *s;

    if (routes == 0)
        routes = 1;
    if (routes > STATS_ROWS_MAX)
        routes = STATS_ROWS_MAX;
    if (!region_make(zone, ZONE_STATS, STATS_VERSION, "stats", stats_size(routes)))
        return false;
    s = region_body(zone);
    atomic_store(&s->capacity, routes);
    return true;
}

uint32_t stats_capacity(const struct zone *zone)
{
    struct stats_shm *s = region_body(zone);
    uint32_t capacity = atomic_load_explicit(&s->capacity, memory_order_relaxed);
    return capacity <= STATS_ROWS_MAX && stats_size(capacity) <= zone->size ? capacity : 0;
}

static struct stats_name_shm *stats_names(const struct zone *zone)
{
    return (void *)((char *)region_body(zone) + sizeof(struct stats_shm));
}

static _Atomic uint32_t *stats_index(const struct zone *zone, uint32_t capacity)
{
    return (void *)((char *)region_body(zone) + stats_index_at(capacity));
}

static char *stats_block(const struct zone *zone, uint32_t capacity, uint32_t slot)
{
    return (char *)region_body(zone) + stats_blocks_at(capacity) +
           slot * stats_block_size(capacity);
}

static uint8_t *stats_map(const struct zone *zone, uint32_t capacity, uint32_t slot)
{
    return (uint8_t *)stats_block(zone, capacity, slot) + sizeof(struct stats_process_shm);
}

static struct stats_route_shm *stats_rows(const struct zone *zone, uint32_t capacity, uint32_t slot)
{
    return (void *)(stats_block(zone, capacity, slot) + stats_rows_at(capacity));
}

static bool stats_used(const struct zone *zone, uint32_t slot)
{
    struct stats_shm *s = region_body(zone);
    return atomic_load_explicit(&s->used[slot], memory_order_acquire) != 0;
}

static bool stats_written(const struct zone *zone, uint32_t capacity, uint32_t slot, uint32_t row)
{
    uint8_t *map = stats_map(zone, capacity, slot);
    return (__atomic_load_n(&map[row / 8], __ATOMIC_RELAXED) & (1u << (row % 8))) != 0;
}

/* --- names ----------------------------------------------------------------------------- */

static uint64_t stats_hash(const char *id)
{
    uint64_t h = fnv_bytes(FNV_BEGIN, id, strnlen(id, STATS_ID - 1));
    return h ^ (h >> 32);
}

/* Walks the index for `id`: its row, or -1. *place (may be NULL): where the index has the row, or
 * could have it. */
static int stats_find(const struct zone *zone, uint32_t capacity, const char *id, uint64_t *place)
{
    const struct stats_name_shm *names = stats_names(zone);
    _Atomic uint32_t *index = stats_index(zone, capacity);
    uint64_t size = stats_index_size(capacity), at = stats_hash(id) & (size - 1), room = size;

    for (uint64_t i = 0; i < size; i++, at = (at + 1) & (size - 1)) {
        uint32_t entry = atomic_load_explicit(&index[at], memory_order_acquire);
        if ((entry == 0 || entry == STATS_GONE) && room == size)
            room = at;
        if (entry == 0)
            break;
        if (entry > capacity || strncmp(names[entry - 1].id, id, STATS_ID - 1) != 0)
            continue;
        if (place)
            *place = at;
        return (int)(entry - 1);
    }
    if (place)
        *place = room;
    return -1;
}

static void stats_clear_row(const struct zone *zone, uint32_t capacity, uint32_t row)
{
    for (uint32_t slot = 0; slot < BOARD_SLOTS; slot++)
        if (stats_used(zone, slot) && stats_written(zone, capacity, slot, row))
            memset(&stats_rows(zone, capacity, slot)[row], 0, sizeof(struct stats_route_shm));
}

/* A row for a new id: one that was never given, else the one that was named longest ago, if neither
 * this load nor the one that still runs names it. -1: full. */
static int stats_spare(const struct zone *zone, uint32_t capacity, uint64_t generation)
{
    struct stats_shm *s = region_body(zone);
    struct stats_name_shm *names = stats_names(zone);
    uint32_t rows = atomic_load(&s->rows), oldest = capacity;
    uint64_t place, oldest_generation = generation > 0 ? generation - 1 : 0;

    if (rows < capacity) {
        atomic_store(&s->rows, rows + 1);
        return (int)rows;
    }
    for (uint32_t row = 0; row < capacity; row++) {
        if (atomic_load(&names[row].generation) < oldest_generation) {
            oldest_generation = atomic_load(&names[row].generation);
            oldest = row;
        }
    }
    if (oldest == capacity)
        return -1;
    if (stats_find(zone, capacity, names[oldest].id, &place) == (int)oldest)
        atomic_store(&stats_index(zone, capacity)[place], STATS_GONE);
    stats_clear_row(zone, capacity, oldest);
    return (int)oldest;
}

int stats_claim(const struct zone *zone, const char *id, const char *name, uint64_t generation)
{
    uint32_t capacity = stats_capacity(zone);
    struct stats_name_shm *n;
    uint64_t place;
    int row = capacity ? stats_find(zone, capacity, id, &place) : -1;
    bool fresh = row < 0;

    if (fresh && capacity)
        row = stats_spare(zone, capacity, generation);
    if (row < 0)
        return -1;
    n = &stats_names(zone)[row];
    strncpy(n->name, name, STATS_NAME - 1);
    n->name[STATS_NAME - 1] = '\0';
    atomic_store(&n->generation, generation);
    if (!fresh)
        return row;
    strncpy(n->id, id, STATS_ID - 1);
    n->id[STATS_ID - 1] = '\0';
    (void)stats_find(zone, capacity, id, &place);
    if (place < stats_index_size(capacity))
        atomic_store_explicit(&stats_index(zone, capacity)[place], (uint32_t)row + 1,
                              memory_order_release);
    return row;
}

const char *stats_name(const struct zone *zone, int row)
{
    const struct stats_name_shm *names = stats_names(zone);
    if (row < 0 || (uint32_t)row >= stats_capacity(zone) ||
        atomic_load(&names[row].generation) == 0)
        return NULL;
    return names[row].name;
}

int stats_row(const struct zone *zone, const char *id)
{
    uint32_t capacity = stats_capacity(zone);
    return capacity ? stats_find(zone, capacity, id, NULL) : -1;
}

/* --- counting -------------------------------------------------------------------------- */

struct stats_process_shm *stats_process(const struct zone *zone, uint32_t slot)
{
    struct stats_shm *s = region_body(zone);
    uint32_t capacity = stats_capacity(zone);

    if (slot >= BOARD_SLOTS || capacity == 0)
        return NULL;
    if (!stats_used(zone, slot))
        atomic_store_explicit(&s->used[slot], 1, memory_order_release);
    return (void *)stats_block(zone, capacity, slot);
}

struct stats_route_shm *stats_route(const struct zone *zone, uint32_t slot, int row)
{
    uint32_t capacity = stats_capacity(zone), r = (uint32_t)row;
    uint8_t *map;

    if (row < 0 || r >= capacity || stats_process(zone, slot) == NULL)
        return NULL;
    map = stats_map(zone, capacity, slot);
    if (!stats_written(zone, capacity, slot, r))
        __atomic_store_n(&map[r / 8], (uint8_t)(map[r / 8] | (1u << (r % 8))), __ATOMIC_RELAXED);
    return &stats_rows(zone, capacity, slot)[r];
}

void stats_latency(struct stats_route_shm *row, uint64_t us)
{
    size_t bucket = 0;
    while (us > stats_bounds[bucket])
        bucket++;
    stats_add(&row->latency[bucket], 1);
    stats_add(&row->latency_sum, us);
}

void stats_settle(const struct zone *zone, uint32_t slot)
{
    struct stats_process_shm *p;
    uint32_t capacity = stats_capacity(zone);

    if (slot >= BOARD_SLOTS || capacity == 0 || !stats_used(zone, slot))
        return;
    p = (void *)stats_block(zone, capacity, slot);
    __atomic_store_n(&p->idle, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&p->upstream_idle, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&p->redis_connections, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&p->redis_down, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&p->active, 0, __ATOMIC_RELAXED);
}

/* --- reading --------------------------------------------------------------------------- */

/* Both kinds of block are nothing but 64-bit counters (and padding), so that they are added word by
 * word. */
static void stats_sum(void *out, const void *in, size_t size)
{
    uint64_t *to = out;
    const uint64_t *from = in;
    for (size_t i = 0; i < size / sizeof *to; i++)
        to[i] += __atomic_load_n(&from[i], __ATOMIC_RELAXED);
}

void stats_sum_process(const struct zone *zone, struct stats_process_shm *out)
{
    uint32_t capacity = stats_capacity(zone);

    memset(out, 0, sizeof *out);
    for (uint32_t slot = 0; slot < BOARD_SLOTS && capacity; slot++)
        if (stats_used(zone, slot))
            stats_sum(out, stats_block(zone, capacity, slot), sizeof *out);
}

void stats_sum_route(const struct zone *zone, int row, struct stats_route_shm *out)
{
    uint32_t capacity = stats_capacity(zone);

    memset(out, 0, sizeof *out);
    if (row < 0 || (uint32_t)row >= capacity)
        return;
    for (uint32_t slot = 0; slot < BOARD_SLOTS; slot++)
        if (stats_used(zone, slot) && stats_written(zone, capacity, slot, (uint32_t)row))
            stats_sum(out, &stats_rows(zone, capacity, slot)[row], sizeof *out);
}

/* --- a larger zone --------------------------------------------------------------------- */

static void stats_copy_slot(const struct zone *to, const struct zone *from, uint32_t slot)
{
    uint32_t capacity = stats_capacity(from), rows = stats_capacity(to);

    memcpy(stats_process(to, slot), stats_block(from, capacity, slot),
           sizeof(struct stats_process_shm));
    for (uint32_t row = 0; row < capacity && row < rows; row++)
        if (stats_written(from, capacity, slot, row))
            memcpy(stats_route(to, slot, (int)row), &stats_rows(from, capacity, slot)[row],
                   sizeof(struct stats_route_shm));
}

void stats_copy(const struct zone *to, const struct zone *from)
{
    struct stats_shm *s = region_body(from);
    uint32_t capacity = stats_capacity(from), rows = atomic_load(&s->rows);

    for (uint32_t row = 0; row < rows && row < capacity; row++) {
        struct stats_name_shm n = stats_names(from)[row];
        n.id[STATS_ID - 1] = n.name[STATS_NAME - 1] = '\0';
        if (stats_claim(to, n.id, n.name, n.generation) != (int)row)
            return;
    }
    for (uint32_t slot = 0; slot < BOARD_SLOTS && capacity; slot++)
        if (stats_used(from, slot))
            stats_copy_slot(to, from, slot);
}
