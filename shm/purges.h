/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Purging many objects at once in a few stores. What can be purged is a label, a hash of whatever
 * an object has in common with others: its URL, a tag, its host, any prefix of its path. A table
 * says by label when it was purged last, told in purges: each has the next number of one sequence.
 * An object knows the number of the latest purge that it came after (cache_meta.born), so where
 * nothing was purged since, one comparison says that it may be used; else its labels are looked up,
 * and if none of them was purged, born moves on.
 *
 * The table is bounded: a place whose purge is forgotten hands its number to the floor of its
 * bucket, which counts as a purge of every label there. So what is forgotten purges too much, never
 * too little.
 */
#ifndef SHM_PURGES_H
#define SHM_PURGES_H

#include "shm/cache.h"

enum purges_kind {
    PURGES_KEY,    /* of one id */
    PURGES_URL,    /* host, path, query */
    PURGES_CHOSEN, /* the same where the key holds chosen pairs of the query */
    PURGES_TAG,    /* of the response */
    PURGES_PREFIX, /* the first bytes of host, path and query in a row */
    PURGES_PATH,   /* those of path and query, on any host */
    PURGES_HOST,
    PURGES_ROUTE,   /* id */
    PURGES_SERVICE, /* cache_meta.service */
    PURGES_ALL,
    PURGES_KINDS
};

enum purges_force {
    PURGES_HARD, /* gone */
    PURGES_SOFT, /* stale from now on */
    PURGES_FORCES
};

enum purges_verdict { PURGES_ALIVE, PURGES_STALE, PURGES_DEAD };

enum { PURGES_PREFIX_MAX = 512 }; /* bytes of a prefix; a longer one is cut, which purges more */

struct purges_label {
    enum purges_kind kind;
    uint32_t n; /* length of a prefix */
    uint64_t hash;
};

/* The label of that kind for a text in pieces; where one piece ends matters but in a prefix.
 * `folded`: for keys whose path is in lower case, as that of the text is. */
struct purges_label purges_label(const struct cache *cache, enum purges_kind kind, bool folded,
                                 const struct iovec *text, int n);

/* Purges all that has one of the labels: no request that starts after it returns sees what was
 * there, and what is asked of an upstream before will not be used as fresh after. Returns the
 * number of the purge. A few stores under a lock. Who dies on the way has purged, or purged
 * nothing; others go on when the lock is broken. */
uint64_t purges_mark(struct cache *cache, const struct purges_label *labels, size_t n,
                     enum purges_force force);

/* --- the labels of an object ---------------------------------------------------------------- */

/* One look at an object's labels. */
struct purges_look {
    const struct cache *cache;
    uint64_t born;
    enum purges_verdict verdict;
    const struct purges_label *wanted; /* NULL: those that were purged after `born` */
    size_t wanted_n;
    bool carries; /* one of the wanted */
};

/* Names the labels of an object, but that of its id, by purges_see(): of those kinds alone that
 * purges_wants(). Without one, objects have no others. */
typedef void purges_labeler(struct purges_look *look, const struct cache_hit *hit);
void purges_use(struct cache *cache, purges_labeler *labeler);

bool purges_wants(const struct purges_look *look, enum purges_kind kind);
void purges_see(struct purges_look *look, struct purges_label label);
/* It may have any of that kind. */
void purges_see_any(struct purges_look *look, enum purges_kind kind);
/* All prefixes of the text that matter, of kind PREFIX or PATH; `folded`: also of those. */
void purges_see_prefixes(struct purges_look *look, enum purges_kind kind, bool folded,
                         const struct iovec *text, int n);

/* Whether a pinned object has one of these labels. */
bool purges_carries(const struct cache *cache, const uint8_t id[CACHE_ID_SIZE],
                    const struct cache_hit *hit, const struct purges_label *labels, size_t n);

/* What became of something with that id, key, meta and head whose `born` is this. */
enum purges_verdict purges_since(const struct cache *cache, const uint8_t id[CACHE_ID_SIZE],
                                 const struct cache_hit *like, uint64_t born);

#endif
