/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hazard pointers over processes. A reader stores what it is about to read into its own row, then
 * looks once more whether the index still leads there; a reclaimer takes an entry out of the index,
 * then looks at all rows. Between the two stores and the two loads stands a full fence on either
 * side, so that one of them sees the other.
 *
 * A short pin becomes a long one by copying it to the ledger before the hazard is cleared: hence a
 * scan reads the hazard of a row before its ledger, and meets the pin in one of the two. The first
 * cells of a ledger lie in the row; pages from the pool follow when they are used up, and go back
 * when the process holds no long pin any more. A scan that still reads such a page takes what it
 * finds there for pins: that only keeps an entry for one pass longer.
 */
#include "shm/pins.h"
#include "shm/assert.h"
#include "shm/room.h"
#include "shm/store.h"
#include <stdlib.h>
#include <string.h>

static void offer(struct pins_cells *cells, uint32_t count)
{
    for (uint32_t i = count; i-- > 0;)
        cells->free[cells->free_n++] = cells->room + i;
    cells->room += count;
}

static bool add_room(struct pins_cells *cells, uint32_t count)
{
    uint32_t *more = reallocarray(cells->free, cells->room + count, sizeof *more);
    if (!more)
        return false;
    cells->free = more;
    offer(cells, count);
    return true;
}

bool pins_open(struct cache *cache)
{
    cache->cells = (struct pins_cells){ 0 };
    return add_room(&cache->cells, PINS_FEW);
}

void pins_close(struct cache *cache)
{
    free(cache->cells.free);
    cache->cells = (struct pins_cells){ 0 };
}

static uint32_t ledger_owner(uint32_t slot)
{
    return pages_owner(PAGES_LEDGER, 0, slot);
}

static bool add_page(struct cache *cache)
{
    struct pins_cells *cells = &cache->cells;
    uint32_t number = (cells->room - PINS_FEW) / PINS_PAGE;
    if (number == PINS_PAGES)
        return false;
    uint32_t page = room_page(cache, ledger_owner(cache->slot));
    if (page == 0)
        return false;
    memset(store_at(cache, page * SLAB_UNITS), 0, PAGES_SIZE);
    CRASH_POINT();
    if (!add_room(cells, PINS_PAGE)) {
        pages_give(cache, page);
        return false;
    }
    atomic_store_explicit(&cache->row->pages[number], page, memory_order_release);
    return true;
}

/* Nothing is pinned: the pages go, and numbering starts again with the first cells. */
static void drop_pages(struct cache *cache)
{
    struct pins_cells *cells = &cache->cells;
    for (uint32_t i = 0; i < PINS_PAGES; i++) {
        uint32_t page = atomic_exchange_explicit(&cache->row->pages[i], 0, memory_order_acq_rel);
        CRASH_POINT();
        if (page != 0)
            pages_give(cache, page);
    }
    atomic_store_explicit(&cache->row->high, 0, memory_order_release);
    cells->room = cells->free_n = 0;
    offer(cells, PINS_FEW);
}

_Atomic uint32_t *pins_cell(struct cache *cache, uint32_t slot, uint32_t cell)
{
    struct pins_row_shm *row = &cache->shm->rows[slot];
    if (cell < PINS_FEW)
        return &row->few[cell];
    uint32_t page = (cell - PINS_FEW) / PINS_PAGE;
    uint32_t number =
        page < PINS_PAGES ? atomic_load_explicit(&row->pages[page], memory_order_acquire) : 0;
    if (number == 0)
        return NULL;
    _Atomic uint32_t *cells = store_at(cache, number * SLAB_UNITS);
    return &cells[(cell - PINS_FEW) % PINS_PAGE];
}

int32_t pins_reserve(struct cache *cache)
{
    struct pins_cells *cells = &cache->cells;
    if (cells->free_n == 0 && !add_page(cache))
        return -1;
    uint32_t cell = cells->free[--cells->free_n];
    cells->used++;
    if (cell >= atomic_load_explicit(&cache->row->high, memory_order_relaxed))
        atomic_store_explicit(&cache->row->high, cell + 1, memory_order_release);
    return (int32_t)cell;
}

int32_t pins_keep(struct cache *cache, uint32_t ref)
{
    int32_t cell = pins_reserve(cache);
    if (cell >= 0)
        atomic_store_explicit(pins_cell(cache, cache->slot, (uint32_t)cell), ref,
                              memory_order_release);
    return cell;
}

void pins_end(struct cache *cache, uint32_t ref)
{
    struct store_cursor *cursor = &cache->cursors[ref % STORE_CURSORS];
    if (cursor->ref == ref)
        cursor->ref = 0;
}

void pins_drop(struct cache *cache, int32_t cell)
{
    struct pins_cells *cells = &cache->cells;
    _Atomic uint32_t *at = pins_cell(cache, cache->slot, (uint32_t)cell);
    must(at && cells->used > 0);
    pins_end(cache, atomic_load_explicit(at, memory_order_relaxed));
    atomic_store_explicit(at, 0, memory_order_release);
    cells->free[cells->free_n++] = (uint32_t)cell;
    if (--cells->used == 0 && cells->room > PINS_FEW)
        drop_pages(cache);
}

static uint32_t table_at(uint32_t ref)
{
    return ref * UINT32_C(0x9e3779b1) >> 22;
}
_Static_assert(PINS_TABLE == 1 << (32 - 22), "the hash has as many bits as the table");

void pins_add(struct pins_set *set, uint32_t ref)
{
    must(set->n < PINS_SET);
    uint32_t at = table_at(ref);
    while (set->table[at])
        at = (at + 1) % PINS_TABLE;
    set->held[set->n] = false;
    set->refs[set->n++] = ref;
    set->table[at] = (uint16_t)set->n;
}

static void note(struct pins_set *set, uint32_t ref)
{
    if (ref == 0)
        return;
    for (uint32_t at = table_at(ref); set->table[at]; at = (at + 1) % PINS_TABLE) {
        uint32_t i = set->table[at] - 1u;
        if (set->refs[i] == ref) {
            set->held[i] = true;
            return;
        }
    }
}

static void scan_row(struct cache *cache, uint32_t slot, struct pins_set *set)
{
    const struct pins_row_shm *row = &cache->shm->rows[slot];
    note(set, atomic_load_explicit(&row->hazard, memory_order_acquire));
    uint32_t high = atomic_load_explicit(&row->high, memory_order_acquire);
    for (uint32_t cell = 0; cell < high; cell++) {
        const _Atomic uint32_t *at = pins_cell(cache, slot, cell);
        if (!at)
            return;
        note(set, atomic_load_explicit(at, memory_order_acquire));
    }
}

void pins_scan(struct cache *cache, struct pins_set *set)
{
    atomic_thread_fence(memory_order_seq_cst);
    uint32_t slots = atomic_load_explicit(&cache->shm->slots, memory_order_acquire);
    for (uint32_t slot = 0; slot < slots && slot < BOARD_SLOTS; slot++) {
        const struct pins_row_shm *row = &cache->shm->rows[slot];
        if (atomic_load_explicit(&row->active, memory_order_acquire) &&
            !atomic_load_explicit(&row->orphan, memory_order_acquire))
            scan_row(cache, slot, set);
    }
}

void pins_forget(struct cache *cache, uint32_t slot)
{
    struct pins_row_shm *row = &cache->shm->rows[slot];
    atomic_store_explicit(&row->hazard, 0, memory_order_release);
    atomic_store_explicit(&row->high, 0, memory_order_release);
    for (uint32_t i = 0; i < PINS_FEW; i++)
        atomic_store_explicit(&row->few[i], 0, memory_order_release);
    for (uint32_t i = 0; i < PINS_PAGES; i++)
        atomic_store_explicit(&row->pages[i], 0, memory_order_release);
    CRASH_POINT();
    pages_sweep(cache, ledger_owner(slot));
}
