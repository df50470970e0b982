/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cache: what lua_shared_dict is to OpenResty, made for HTTP responses. One zone a dictionary,
 * used by all processes at once. A hit takes no lock and writes no shared line: the reader
 * publishes a hazard pointer in its own row, checks the index again, and reads the object where it
 * lies. Writers lock one shard for an index change. Space comes from a slab (shm/slab.h); eviction
 * is S3-FIFO by bytes. A process may die at any instruction: its hazards and unfinished fills are
 * taken back by the next owner of its slot (cache_attach), its locks by the master (cache_break).
 */
#ifndef SHM_CACHE_H
#define SHM_CACHE_H

#include "shm/region.h"
#include <sys/uio.h>

/* A build for tests, which stands for a later one with another layout, adds something. */
#ifndef CACHE_OTHER_LAYOUT
#define CACHE_OTHER_LAYOUT 0
#endif

enum { CACHE_ID_SIZE = 16, CACHE_VERSION = 9 + CACHE_OTHER_LAYOUT, CACHE_KEY_MAX = 16384 };

struct cache;           /* process-local handle */
struct cache_entry_shm; /* in shared memory */

/* What is known of an object besides its bytes. Times in seconds since 1970, spans in seconds. */
struct cache_meta {
    int64_t stored;       /* when the response was received */
    int64_t keep_until;   /* removed past it, whatever its freshness */
    uint32_t initial_age; /* corrected_initial_age at that time */
    uint32_t fresh_for;   /* freshness lifetime, counted from age 0 */
    uint32_t stale_while; /* may be used that long when stale while it is refreshed */
    uint32_t stale_error; /* and that long while a refresh fails */
    uint32_t modified;    /* Last-Modified, for conditional requests; 0 = none */
    _Atomic uint32_t
        retry_at;             /* a refresh is under way or failed: the next one not before;
                                 changes while others read (cache_update_claim, cache_update_put_off) */
    uint32_t plugin, service; /* by which instance, and for which service it was stored:
                                 worker/http/labels.h */
    _Atomic uint64_t born;    /* number of the latest purge that this is known to have come after,
                                 at first cache_sequence() before the upstream was asked; 0 when
                                 it is stored: now. Changes while others read */
    uint32_t flags;           /* the user's own: worker/http/reuse.h */
    uint16_t status;
    uint16_t private_n; /* bytes at the start of the head that are the cache's own lines and are not
                           sent */
};
_Static_assert(sizeof(struct cache_meta) == 64, "layout");

/* A pinned object. Pointers lead into shared memory and hold until cache_unpin(). */
struct cache_hit {
    const struct cache_entry_shm *entry;
    const struct cache_meta *meta;
    const char *key, *head; /* head: serialized field lines, each ended by CRLF, without start line
                               and empty line */
    uint32_t key_n, head_n;
    uint64_t body_n;
    uint64_t hits; /* so far, approximate */
    bool soft;     /* purged softly: stale, whatever its freshness */
    int32_t pin;   /* the cache's own */
};

struct cache_stats {
    uint64_t size, used, free_pages, pages; /* bytes, bytes, pages */
    uint64_t objects, fills, evictions, evicted_bytes, purges, no_memory, expired;
    uint64_t overhead; /* bytes of used that are not key, head or body */
    uint64_t generation;
    uint64_t hits, missed;    /* found; stored since they were not there */
    uint64_t waits;           /* requests that waited for another's fill */
    uint64_t evicted_seconds; /* that what was evicted had been stored, in sum */
};

/* Lays the dictionary out in a fresh zone of kind ZONE_CACHE. False: too small (below 1 MiB). Of a
 * zone beyond 128 GiB the rest stays unused. Master, before fork. */
bool cache_format(const struct zone *zone);

/* A handle for the process that owns `slot` on the board (0 <= slot < BOARD_SLOTS). Takes back what
 * an earlier owner of the slot left (pins, unfinished fills). NULL: no memory, or the zone's layout
 * is another one. */
struct cache *cache_attach(const struct zone *zone, uint32_t slot);
void cache_detach(struct cache **cache);

/* Master: breaks the locks of a reaped process, and marks its slot as nobody's, so that what it
 * left comes back even if the slot is never used again; its tickets are lost from here on, which
 * those who wait for them should be woken to see (shm/cache_ticket.h). Touches nothing but those
 * words, at offsets that follow from zone->size. */
void cache_break(const struct zone *zone, uint32_t slot);

/* The 128-bit keyed hash of a key; the key of the hash is random per zone. */
void cache_id(const struct cache *cache, const char *key, size_t n, uint8_t id[CACHE_ID_SIZE]);

/* Finds the object with that id and exactly that key (key NULL: any key) that is not purged and not
 * past keep_until. True: *hit is pinned, by the process's one short pin, which costs nothing, or,
 * when that one is in use, by a long one. Who holds a hit beyond this turn should make it long with
 * cache_keep(); each is given back by cache_unpin(). No lock, no wait. */
bool cache_find(struct cache *cache, const uint8_t id[CACHE_ID_SIZE], const char *key, size_t n,
                int64_t now, struct cache_hit *hit);
/* Makes the short pin a long one, so that others can be taken. False: no room, the pin is given
 * back. */
bool cache_keep(struct cache *cache, struct cache_hit *hit);
void cache_unpin(struct cache *cache, struct cache_hit *hit);

/* Up to `max` vectors over the body from `offset`; returns how many, *bytes what they cover. */
int cache_body(const struct cache *cache, const struct cache_hit *hit, uint64_t offset,
               struct iovec *iov, int max, size_t *bytes);

/* The same of an object that may still be growing, body_n or not. The caller says up to where the
 * body is known and where it wants to go on; the rest is the cache's memory of where it was, all 0
 * at first. */
struct cache_growth {
    uint64_t known, offset;
    uint64_t chunk_at;
    uint32_t chunk;
};
int cache_body_grown(const struct cache *cache, const struct cache_hit *hit,
                     struct cache_growth *growth, struct iovec *iov, int max);

/* A new object, invisible until committed. `body_hint`: expected bytes, or 0. NULL: no memory could
 * be made, or larger than the dictionary can hold. The fill is owned by the caller's process; the
 * handle by the caller. */
struct cache_fill;
struct cache_fill *cache_fill_begin(struct cache *cache, const uint8_t id[CACHE_ID_SIZE],
                                    const char *key, size_t key_n, const struct cache_meta *meta,
                                    const char *head, size_t head_n, uint64_t body_hint);
/* Appends body bytes. False: no memory; the fill is still to be aborted. */
bool cache_fill_append(struct cache_fill *fill, const void *p, size_t n);
uint64_t cache_fill_size(const struct cache_fill *fill); /* body bytes so far */

/* Those who wait with this ticket can join it from here on. `expected`: body bytes as announced,
 * UINT64_MAX where that is not known. The ticket ends with the fill; the caller's handle is still
 * its own. */
void cache_fill_offer(struct cache_fill *fill, uint32_t ticket, uint64_t expected);
/* Tells them that the body has grown, or that there is a head at least. After a run of appends. */
void cache_fill_progress(struct cache_fill *fill);
/* Pins it for its own process, which then reads it like others, beyond the fill's end. False: no
 * room. */
bool cache_fill_pin(struct cache_fill *fill, struct cache_hit *hit);
/* It takes the place of no other: refused where there is one with its id by then. */
void cache_fill_yield(struct cache_fill *fill);
/* Publishes it in place of any object with the same id, and ends the fill. False: refused (it was
 * purged while it was filled, or memory ran out), the fill is gone as well. */
bool cache_fill_commit(struct cache_fill **fill);
void cache_fill_abort(struct cache_fill **fill);

/* Another head and meta for a published object, whose body stays where it is: what a 304 brings. On
 * success *hit describes the new ones and pointers into the old ones are gone; readers who have the
 * object pinned keep theirs. Where no memory is left for a head, or too many old ones are still
 * being read, only times, spans and flags of the meta change. False: the object is not published
 * any more; nothing has changed. */
bool cache_update(struct cache *cache, struct cache_hit *hit, const struct cache_meta *meta,
                  const char *head, size_t head_n);

/* One of all processes may refresh a stale object: true for who comes first after meta.retry_at,
 * which becomes `until`. `now` and `until`: seconds since 1970. */
bool cache_update_claim(const struct cache_hit *hit, int64_t now, int64_t until);
/* No refresh before `until`, an hour from now at most: the last one failed. */
void cache_update_put_off(const struct cache_hit *hit, int64_t until);
bool cache_update_is_put_off(const struct cache_hit *hit, int64_t now);

/* Removes one object, and refuses what is being filled or waited for: 1, or 0 when there was none.
 * No request that starts afterwards sees it. What was asked for before without a ticket may still
 * come: purges_mark() (shm/purges.h) purges that as well. */
int cache_purge(struct cache *cache, const uint8_t id[CACHE_ID_SIZE]);
/* Makes all objects invisible by one increment; their space comes back as it is needed. Returns how
 * many there were. */
uint64_t cache_purge_all(struct cache *cache);
/* Number of the latest purge of anything. What an upstream is asked for after this call comes after
 * that purge. Above 0. */
uint64_t cache_sequence(const struct cache *cache);

void cache_stats(const struct cache *cache, struct cache_stats *out);

/* Calls `each` for live objects until it returns false. Objects that come and go meanwhile may be
 * missed. */
void cache_walk(struct cache *cache, int64_t now,
                bool (*each)(void *arg, const uint8_t id[CACHE_ID_SIZE],
                             const struct cache_hit *hit),
                void *arg);

/* The same in slices: at most so many buckets from *at on, 0 at first. False: the last one was
 * seen, or `each` said so. */
bool cache_walk_some(struct cache *cache, int64_t now, uint64_t *at, uint32_t buckets,
                     bool (*each)(void *arg, const uint8_t id[CACHE_ID_SIZE],
                                  const struct cache_hit *hit),
                     void *arg);

/* Frees what was purged and nobody has looked at since, or is past keep_until, in at most so many
 * buckets from *at on, 0 at first. False: the last one was seen. One process a zone is enough. */
bool cache_sweep(struct cache *cache, int64_t now, uint64_t *at, uint32_t buckets);
/* The share of a pass that is due for what was purged of late, at most so many buckets: whoever
 * purges for others' requests pays for it, so that many of them make nothing go but what they
 * concern. */
void cache_sweep_pace(struct cache *cache, int64_t now, uint32_t buckets);

/* Verifies the whole zone: every page accounted for, every object reachable and whole, no chunk in
 * two places. Takes the locks. Returns true, or false with the first fault in `why`. Tests and
 * `gatewayctl shm verify`. */
bool cache_audit(struct cache *cache, char *why, size_t why_size);

#endif
