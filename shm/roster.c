/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Layout: a head, rows in a table of open addressing, a bitmap of chunks, chunks of 128 bytes that
 * form chains. A record is replaced beside itself: new chunks are filled, then one 64-bit word of
 * its row (a version and the first chunk) makes them the record, then the old ones are given back.
 * A reader copies a chain and looks at the word again: unchanged, its chunks were not given back
 * meanwhile; changed, it starts anew. So a writer that is killed before that one store has changed
 * nothing, and one that is killed after it has done all but the announcement and the giving back:
 * the next owner of the lock, who is told, rebuilds the bitmap from the chains and announces
 * everything. Readers never take the lock and trust no index.
 */
#include "shm/roster.h"
#include "conf/fnv.h"
#include "shm/assert.h"
#include "shm/lock.h"
#include <errno.h>
#include <string.h>

enum { CHUNK_WORDS = 15, CHUNK_BYTES = CHUNK_WORDS * 8, CHUNKS = ROSTER_BYTES / 128 };
enum { MAP_WORDS = CHUNKS / 64, TRIES = 1000 };

struct roster_row {
    _Atomic uint64_t identity; /* 0: never used; it ends a search */
    _Atomic uint64_t place;    /* version << 32 | first chunk + 1; low half 0: no record */
    _Atomic uint64_t change;   /* the epoch of the last loud change */
};

struct roster_chunk {
    _Atomic uint32_t next; /* chunk + 1; 0: the last */
    _Atomic uint32_t size; /* of the record, in its first chunk */
    _Atomic uint64_t words[CHUNK_WORDS];
};

struct roster_shm {
    struct lock_shm lock;
    uint32_t spare[14];
    _Atomic uint64_t epoch; /* on a line of its own, which every worker reads all the time */
    uint64_t spare_line[7];
    struct roster_row rows[ROSTER_ROWS];
    struct roster_tally tallies[ROSTER_ROWS]; /* by row */
    uint64_t map[MAP_WORDS]; /* bit set: the chunk is used; for the owner of the lock alone */
    struct roster_chunk chunks[CHUNKS];
};

_Static_assert(sizeof(struct roster_chunk) == 128, "layout");
_Static_assert(offsetof(struct roster_shm, epoch) == 64, "layout");
_Static_assert(offsetof(struct roster_shm, rows) == 128, "layout");
_Static_assert(sizeof(struct roster_tally) == 64, "a line each");
_Static_assert(offsetof(struct roster_shm, tallies) % 64 == 0, "layout");
_Static_assert((ROSTER_ROWS & (ROSTER_ROWS - 1)) == 0, "a power of two");
_Static_assert(ROSTER_RECORD_MAX <= ROSTER_BYTES / 4, "one record leaves room for others");

bool roster_make(struct zone *zone)
{
    return region_make(zone, ZONE_ROSTER, ROSTER_VERSION, "roster",
                       128 + sizeof(struct roster_shm));
}

static struct roster_shm *roster_of(const struct zone *zone)
{
    return region_body(zone);
}

uint64_t roster_identity(enum roster_kind kind, const char *key, size_t n)
{
    const unsigned char first = (unsigned char)kind;
    uint64_t h = fnv_bytes(fnv_bytes(FNV_BEGIN, &first, 1), key, n);
    return h ? h : 1;
}

const _Atomic uint64_t *roster_epoch(const struct zone *zone)
{
    return &roster_of(zone)->epoch;
}

/* --- rows ----------------------------------------------------------------------------------- */

static uint32_t first_row(uint64_t identity)
{
    return (uint32_t)((identity * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & (ROSTER_ROWS - 1);
}

static struct roster_row *find_row(struct roster_shm *r, uint64_t identity)
{
    for (uint32_t i = 0, at = first_row(identity); i < ROSTER_ROWS; i++) {
        struct roster_row *row = &r->rows[(at + i) & (ROSTER_ROWS - 1)];
        uint64_t found = atomic_load_explicit(&row->identity, memory_order_acquire);
        if (found == identity)
            return row;
        if (found == 0)
            break;
    }
    return NULL;
}

static uint32_t head_of(uint64_t place)
{
    return (uint32_t)place;
}

/* A row for a new record: the first that has none, so that searches stay short. */
static struct roster_row *spare_row(struct roster_shm *r, uint64_t identity)
{
    for (uint32_t i = 0, at = first_row(identity); i < ROSTER_ROWS; i++) {
        struct roster_row *row = &r->rows[(at + i) & (ROSTER_ROWS - 1)];
        if (atomic_load(&row->identity) == 0 || head_of(atomic_load(&row->place)) == 0) {
            atomic_store_explicit(&row->identity, identity, memory_order_release);
            return row;
        }
    }
    return NULL;
}

uint64_t roster_change(const struct zone *zone, uint64_t identity)
{
    struct roster_row *row = find_row(roster_of(zone), identity);
    if (!row || head_of(atomic_load_explicit(&row->place, memory_order_acquire)) == 0)
        return 0;
    return atomic_load_explicit(&row->change, memory_order_acquire);
}

struct roster_tally *roster_tally(const struct zone *zone, uint64_t identity)
{
    struct roster_shm *r = roster_of(zone);
    struct roster_row *row = find_row(r, identity);
    if (!row || head_of(atomic_load_explicit(&row->place, memory_order_acquire)) == 0)
        return NULL;
    return &r->tallies[row - r->rows];
}

uint64_t roster_next(const struct zone *zone, uint32_t *at)
{
    struct roster_shm *r = roster_of(zone);
    while (*at < ROSTER_ROWS) {
        struct roster_row *row = &r->rows[(*at)++];
        uint64_t identity = atomic_load_explicit(&row->identity, memory_order_acquire);
        if (identity && head_of(atomic_load_explicit(&row->place, memory_order_acquire)))
            return identity;
    }
    return 0;
}

/* --- reading -------------------------------------------------------------------------------- */

/* Copies a chain; false: it leads nowhere, as one does that is taken apart meanwhile. */
static bool copy_chain(struct roster_shm *r, uint32_t chunk, char *out, size_t n)
{
    while (n > 0) {
        if (chunk == 0 || chunk > CHUNKS)
            return false;
        struct roster_chunk *c = &r->chunks[chunk - 1];
        for (size_t i = 0; i < CHUNK_WORDS && n > 0; i++) {
            uint64_t word = atomic_load_explicit(&c->words[i], memory_order_relaxed);
            size_t part = n < sizeof word ? n : sizeof word;
            memcpy(out, &word, part);
            out += part;
            n -= part;
        }
        chunk = atomic_load_explicit(&c->next, memory_order_relaxed);
    }
    return true;
}

/* SIZE_MAX: it was replaced meanwhile. */
static size_t get_once(struct roster_shm *r, struct roster_row *row, char *out, size_t cap)
{
    uint64_t place = atomic_load_explicit(&row->place, memory_order_acquire);
    uint32_t head = head_of(place);
    if (head == 0)
        return 0;
    if (head > CHUNKS)
        return SIZE_MAX;
    size_t n = atomic_load_explicit(&r->chunks[head - 1].size, memory_order_relaxed);
    bool whole = n <= ROSTER_RECORD_MAX && (n > cap || copy_chain(r, head, out, n));
    atomic_thread_fence(memory_order_acquire);
    if (!whole || atomic_load_explicit(&row->place, memory_order_relaxed) != place)
        return SIZE_MAX;
    return n;
}

size_t roster_get(const struct zone *zone, uint64_t identity, void *out, size_t cap,
                  uint64_t *change)
{
    struct roster_shm *r = roster_of(zone);
    struct roster_row *row = find_row(r, identity);
    if (change)
        *change = roster_change(zone, identity);
    for (int i = 0; row && i < TRIES; i++) {
        size_t n = get_once(r, row, out, cap);
        if (n != SIZE_MAX)
            return n;
    }
    return 0;
}

/* --- chunks --------------------------------------------------------------------------------- */

static void give_chain(struct roster_shm *r, uint32_t chunk)
{
    for (uint32_t i = 0; chunk && i < CHUNKS; i++) {
        must(chunk <= CHUNKS);
        uint32_t at = chunk - 1;
        r->map[at / 64] &= ~(UINT64_C(1) << (at % 64));
        chunk = atomic_load_explicit(&r->chunks[at].next, memory_order_relaxed);
    }
}

/* The lowest free chunk from word *from on, plus 1; 0: none. */
static uint32_t take_chunk(struct roster_shm *r, size_t *from)
{
    for (; *from < MAP_WORDS; (*from)++) {
        uint64_t free = ~r->map[*from];
        if (free == 0)
            continue;
        uint32_t bit = (uint32_t)__builtin_ctzll(free);
        r->map[*from] |= UINT64_C(1) << bit;
        return (uint32_t)*from * 64 + bit + 1;
    }
    return 0;
}

static void fill_chunk(struct roster_chunk *c, const char *data, size_t n)
{
    for (size_t i = 0; i * 8 < n; i++) {
        uint64_t word = 0;
        memcpy(&word, data + i * 8, n - i * 8 < 8 ? n - i * 8 : 8);
        atomic_store_explicit(&c->words[i], word, memory_order_relaxed);
    }
}

/* A chain that holds the bytes; 0: no room. */
static uint32_t make_chain(struct roster_shm *r, const char *data, size_t n)
{
    uint32_t first = 0;
    _Atomic uint32_t *link = NULL;
    size_t from = 0, done = 0;
    /* These chunks may have been another record's, replaced by this process or, through the lock,
     * by another: who still copies them and meets a word of ours then sees that it was. */
    atomic_thread_fence(memory_order_release);
    do {
        uint32_t chunk = take_chunk(r, &from);
        if (chunk == 0) {
            give_chain(r, first);
            return 0;
        }
        struct roster_chunk *c = &r->chunks[chunk - 1];
        size_t part = n - done < CHUNK_BYTES ? n - done : CHUNK_BYTES;
        fill_chunk(c, data + done, part);
        atomic_store_explicit(&c->size, (uint32_t)n, memory_order_relaxed);
        atomic_store_explicit(&c->next, 0, memory_order_relaxed);
        if (link)
            atomic_store_explicit(link, chunk, memory_order_relaxed);
        else
            first = chunk;
        link = &c->next;
        done += part;
    } while (done < n);
    return first;
}

static bool chain_equals(struct roster_shm *r, uint32_t chunk, const char *data, size_t n)
{
    if (atomic_load_explicit(&r->chunks[chunk - 1].size, memory_order_relaxed) != n)
        return false;
    for (size_t done = 0; done < n; done += CHUNK_BYTES) {
        char held[CHUNK_BYTES];
        size_t part = n - done < CHUNK_BYTES ? n - done : CHUNK_BYTES;
        if (!copy_chain(r, chunk, held, part) || memcmp(held, data + done, part) != 0)
            return false;
        chunk = atomic_load_explicit(&r->chunks[chunk - 1].next, memory_order_relaxed);
    }
    return true;
}

/* --- writing -------------------------------------------------------------------------------- */

static void announce(struct roster_shm *r, struct roster_row *row)
{
    uint64_t epoch = atomic_load_explicit(&r->epoch, memory_order_relaxed) + 1;
    atomic_store_explicit(&row->change, epoch, memory_order_release);
    atomic_store_explicit(&r->epoch, epoch, memory_order_release);
}

/* The last owner died inside: which chunks are used is what the rows reach, and everything may be
 * news. */
static void repair(struct roster_shm *r)
{
    uint64_t epoch = atomic_load(&r->epoch) + 1;
    memset(r->map, 0, sizeof r->map);
    for (size_t i = 0; i < ROSTER_ROWS; i++) {
        uint32_t chunk = head_of(atomic_load(&r->rows[i].place));
        for (uint32_t n = 0; chunk && chunk <= CHUNKS && n < CHUNKS; n++) {
            r->map[(chunk - 1) / 64] |= UINT64_C(1) << ((chunk - 1) % 64);
            chunk = atomic_load(&r->chunks[chunk - 1].next);
        }
        if (atomic_load(&r->rows[i].identity))
            atomic_store(&r->rows[i].change, epoch);
    }
    atomic_store_explicit(&r->epoch, epoch, memory_order_release);
}

static void hold(struct roster_shm *r, uint32_t slot)
{
    if (lock_take(&r->lock, slot) == LOCK_SUSPECT) {
        repair(r);
        lock_sound(&r->lock);
    }
}

/* Makes `chunk` (0: nothing) the record of the row. The one store that counts is that of `place`.
 */
static void replace(struct roster_shm *r, struct roster_row *row, uint32_t chunk,
                    enum roster_voice voice)
{
    uint64_t place = atomic_load(&row->place);
    uint64_t next = ((place >> 32) + 1) << 32 | chunk;
    atomic_store_explicit(&row->place, next, memory_order_release);
    if (voice == ROSTER_LOUD || head_of(place) == 0)
        announce(r, row);
    give_chain(r, head_of(place));
}

bool roster_put(const struct zone *zone, uint32_t slot, uint64_t identity, const void *data,
                size_t n, enum roster_voice voice)
{
    struct roster_shm *r = roster_of(zone);
    bool put = false;
    must(identity != 0 && n > 0);
    hold(r, slot);
    struct roster_row *row = find_row(r, identity);
    uint32_t held = row ? head_of(atomic_load(&row->place)) : 0;
    if (held && chain_equals(r, held, data, n)) {
        put = true;
    } else if (n <= ROSTER_RECORD_MAX && (row || (row = spare_row(r, identity)))) {
        uint32_t chunk = make_chain(r, data, n);
        if (chunk)
            replace(r, row, chunk, voice);
        put = chunk != 0;
    }
    lock_give(&r->lock, slot);
    if (!put)
        errno = ENOMEM;
    return put;
}

void roster_remove(const struct zone *zone, uint32_t slot, uint64_t identity)
{
    struct roster_shm *r = roster_of(zone);
    hold(r, slot);
    struct roster_row *row = find_row(r, identity);
    if (row && head_of(atomic_load(&row->place)))
        replace(r, row, 0, ROSTER_LOUD);
    lock_give(&r->lock, slot);
}

void roster_break(const struct zone *zone, uint32_t slot)
{
    (void)lock_break(&roster_of(zone)->lock, slot);
}

bool roster_audit(const struct zone *zone, size_t *used)
{
    struct roster_shm *r = roster_of(zone);
    size_t reached = 0, marked = 0;
    for (size_t i = 0; i < MAP_WORDS; i++)
        marked += (size_t)__builtin_popcountll(r->map[i]);
    for (size_t i = 0; i < ROSTER_ROWS; i++) {
        uint32_t chunk = head_of(atomic_load(&r->rows[i].place));
        for (; chunk; chunk = atomic_load(&r->chunks[chunk - 1].next)) {
            if (chunk > CHUNKS || !(r->map[(chunk - 1) / 64] >> ((chunk - 1) % 64) & 1) ||
                ++reached > marked)
                return false;
        }
    }
    if (used)
        *used = marked;
    return reached == marked;
}
