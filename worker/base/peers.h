/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who can be asked now: for each upstream the set of its peers, one peer an address. A set is what
 * the process makes of its file and of the roster (shm/roster.h): the file's targets, changed by
 * overrides, with names replaced by the addresses that they resolve to. When the roster's epoch has
 * moved, sets whose parts changed are made anew; a peer that stays is the same object, with its row
 * in shared memory, its counters and its idle connections; one that went is told by `at` and lives
 * on until the last who holds it lets go. Process-local, one thread.
 */
#ifndef BASE_PEERS_H
#define BASE_PEERS_H

#include "shm/health.h"
#include "shm/health_tally.h"
#include "shm/roster.h"
#include "worker/base/heritage.h"

enum { PEERS_GONE = UINT32_MAX, PEERS_BACKUP = 1 << 16 /* tiers from there on are of backups */ };

/* Idle connections of one kind, newest first; the worker's. */
struct peer_pool {
    struct peer_pool *next;
    const void *kind; /* NULL: plain; or the service whose TLS settings they have */
    struct upconn *newest, *oldest;
    uint32_t n;
};

/* How long the peer keeps idle connections: worker/upstream/ageing.h. */
struct peer_ageing {
    int64_t said; /* ms, by Keep-Alive: timeout=N; 0: nothing */
    int64_t age;  /* ms, at which it closed the last ones */
    int64_t at;   /* when that was */
    int closes;   /* how often in a row */
};

/* What each request looks at comes first, on three lines of the processor's cache: of a thousand
 * peers none is there when its turn comes. */
struct peer {
    const struct conf_upstream *upstream;
    uint64_t identity;           /* of upstream and address: the same over reloads */
    struct health_peer_shm *row; /* NULL: no room for one */
    _Atomic uint32_t *in_flight; /* this worker's own part of `tally`; NULL: none */
    struct peer_pool *pools;     /* NULL: nothing was kept yet */
    uint32_t at;                 /* its position in the upstream's set; PEERS_GONE: in none */
    uint32_t refs;               /* peers_hold() */
    int weight;                  /* what it counts now: 0 takes no traffic */
    int max_connections;         /* over all workers; 0: no limit */
    uint32_t tier;               /* peers of a higher one are used while no lower one is up */
    bool spared;                 /* used although its row says it is out: worker/base/fitness.h */

    struct peer_pool pool;                 /* the first of `pools` */
    uint64_t requests, connects, failures; /* since the row was told last */

    struct peer_ageing ageing; /* the worker's */
    struct health_tally tally; /* in flight over all workers */
    int64_t together; /* its row was opened after this (ms): it came to an upstream that was
                         in use already */

    struct conf_address address;
    struct conf_text text;   /* "127.0.0.1:9001" */
    struct conf_text target; /* the target it comes from, as written; of several, the first */
    void *watched;           /* the checker's own; NULL elsewhere */
} __attribute__((aligned(64)));

struct peer_set {
    const struct conf_upstream *upstream;
    uint64_t version;                /* another one for each set of the process; never 0 */
    struct health_upstream_shm *row; /* what its sets share over processes; NULL: no room */
    size_t n;
    size_t unresolved; /* targets of which no address is known */
    size_t unknown;    /* those of them whose name nobody has asked for yet */
    struct peer **v;   /* by position, in the order of the file */
};

/* Where a part of a service's requests goes while it is being shifted; see worker/base/shift.h. */
struct peers_shift {
    const struct conf_upstream *to; /* NULL: it is not */
    struct roster_tally *tally;
    uint32_t share; /* of SHIFT_WHOLE */
    uint32_t mark;
    int64_t slow; /* us; an answer that took so long has failed; 0: however long */
};

/* Where a shift leads a request: drawn once for all its tries. */
struct peers_way {
    const struct conf_upstream *to; /* NULL: where the service leads */
    uint32_t mark;
    bool drawn;
};

/* What the owner of the sets does about changes; each may be NULL. */
struct peers_ops {
    void (*gone)(void *owner, struct peer *peer); /* it has just left its set */
    void (*changed)(void *owner, const struct peer_set *set);
};

struct peers {
    const struct heritage *heritage;
    const _Atomic uint64_t *epoch;
    uint64_t seen; /* the epoch of the sets */
    uint64_t versions;
    struct peers_entry *entries; /* by index of the upstream */
    size_t n;
    struct peers_host *hosts; /* by index of the service */
    size_t hosts_n;
    size_t shifts; /* services that are being shifted */
    const struct peers_ops *ops;
    void *owner;
};

/* Makes the sets of all upstreams; `ops` and `owner` outlive them; changed() is called for each.
 * False: no memory. peers_close() ends it, in any case. */
bool peers_open(struct peers *peers, const struct heritage *heritage, const struct peers_ops *ops,
                void *owner);
void peers_close(struct peers *peers);

/* Whether something may have changed since the sets were made: one load. */
static inline bool peers_stale(const struct peers *peers)
{
    return atomic_load_explicit(peers->epoch, memory_order_relaxed) != peers->seen;
}

/* Makes anew what has changed. Without memory the old sets stay, and the next call tries again. */
void peers_renew(struct peers *peers);

/* The set of an upstream, until the next peers_renew(). */
const struct peer_set *peers_of(const struct peers *peers, const struct conf_upstream *upstream);

/* The upstream that a service has now: the file's, or the one that was asked for by hand. */
const struct conf_upstream *peers_upstream(const struct peers *peers,
                                           const struct conf_service *service);

/* NULL: all its requests go to peers_upstream(). */
const struct peers_shift *peers_shift(const struct peers *peers,
                                      const struct conf_service *service);

/* Targets over all sets whose names nobody has asked for yet. */
size_t peers_unknown(const struct peers *peers);

/* Whoever keeps a peer beyond the next peers_renew() holds it. */
static inline struct peer *peers_hold(struct peer *peer)
{
    peer->refs++;
    return peer;
}
void peers_let_go(struct peer **peer);

/* Adds the counters of all peers to their rows, and names these so that nobody else claims them. */
void peers_tell(struct peers *peers, int64_t monotonic_ms);

#endif
