/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Layout: a head, the rows of peers, the rows of upstreams, the logs of peers by row, then one
 * array of counters a slot (in flight by peer, then HEALTH_COUNTS by upstream), each on cache lines
 * of its own. Rows are found by identity, which is a hash already: open addressing in the table of
 * rows itself. A row is never freed; one that nobody has named for a while is given to the next
 * identity that probes past it. Rows are claimed under a lock. Capacities are checked against the
 * size of the mapping at each call.
 */
#include "shm/board.h"
#include "shm/health_parts.h"
#include "shm/health_tally.h"
#include <string.h>
#include <time.h>

enum { HEALTH_MAX = 1 << 20, HEALTH_PEERS_MIN = 1024, HEALTH_UPSTREAMS_MIN = 256 };

_Static_assert(sizeof(struct health_shm) == 320, "layout");
_Static_assert(sizeof(struct health_peer_shm) == 192, "layout");
_Static_assert(sizeof(struct health_upstream_shm) == 128, "layout");
_Static_assert(offsetof(struct health_peer_shm, name) == 128, "layout");

static uint32_t health_power(uint32_t least, uint32_t n)
{
    uint32_t size = least;
    while (size < n && size < HEALTH_MAX)
        size *= 2;
    return size;
}

uint64_t health_stride(uint32_t peers, uint32_t upstreams)
{
    return (((uint64_t)peers + (uint64_t)upstreams * HEALTH_COUNTS) * sizeof(uint32_t) + 63) / 64 *
           64;
}

static uint64_t health_counters_at(uint32_t peers, uint32_t upstreams)
{
    return sizeof(struct health_shm) + peers * sizeof(struct health_peer_shm) +
           upstreams * sizeof(struct health_upstream_shm) + peers * sizeof(struct health_log_shm);
}

static uint64_t health_size(uint32_t peers, uint32_t upstreams)
{
    return 128 + health_counters_at(peers, upstreams) +
           BOARD_SLOTS * health_stride(peers, upstreams);
}

static bool health_is_power(uint32_t n)
{
    return n > 0 && n <= HEALTH_MAX && (n & (n - 1)) == 0;
}

bool health_view_of(const struct zone *zone, struct health_view *v)
{
    char *body = region_body(zone);

    v->head = (void *)body;
    v->peers_n = atomic_load_explicit(&v->head->peers, memory_order_relaxed);
    v->upstreams_n = atomic_load_explicit(&v->head->upstreams, memory_order_relaxed);
    if (!health_is_power(v->peers_n) || !health_is_power(v->upstreams_n) ||
        health_size(v->peers_n, v->upstreams_n) > zone->size)
        return false;
    v->peers = (void *)(body + sizeof(struct health_shm));
    v->upstreams = (void *)(v->peers + v->peers_n);
    v->logs = (void *)(v->upstreams + v->upstreams_n);
    v->counters = body + health_counters_at(v->peers_n, v->upstreams_n);
    return true;
}

/* Room for twice what is asked for: a load needs the rows of its predecessor and its own at the
 * same time. */
bool health_make(struct zone *zone, uint32_t peers, uint32_t upstreams)
{
    uint32_t p, u;
    struct health_shm *head;

    if (peers > HEALTH_MAX / 4)
        peers = HEALTH_MAX / 4;
    if (upstreams > HEALTH_MAX / 4)
        upstreams = HEALTH_MAX / 4;
    p = health_power(HEALTH_PEERS_MIN, peers * 4);
    u = health_power(HEALTH_UPSTREAMS_MIN, upstreams * 4);
    if (!region_make(zone, ZONE_HEALTH, HEALTH_VERSION, "health", health_size(p, u)))
        return false;
    head = region_body(zone);
    atomic_store(&head->peers, p);
    atomic_store(&head->upstreams, u);
    return true;
}

bool health_fits(const struct zone *zone, uint32_t peers, uint32_t upstreams)
{
    struct health_view v;
    return health_view_of(zone, &v) && peers <= v.peers_n / 2 && upstreams <= v.upstreams_n / 2;
}

/* --- rows ------------------------------------------------------------------------------ */

/* The next place of a probe sequence; mixes, so that identities that differ in few bits spread as
 * well. */
static uint32_t health_place(uint64_t identity, uint32_t step, uint32_t size)
{
    uint64_t h = identity * UINT64_C(0x9e3779b97f4a7c15);
    return ((uint32_t)(h >> 32) + step) & (size - 1);
}

static bool health_stale(uint64_t named, uint64_t era)
{
    return named + 1 < era;
}

struct health_peer_shm *health_peer(const struct zone *zone, uint64_t identity)
{
    struct health_view v;

    if (identity == 0 || !health_view_of(zone, &v))
        return NULL;
    for (uint32_t i = 0; i < v.peers_n; i++) {
        struct health_peer_shm *p = &v.peers[health_place(identity, i, v.peers_n)];
        uint64_t found = atomic_load_explicit(&p->identity, memory_order_acquire);
        if (found == identity)
            return p;
        if (found == 0)
            break;
    }
    return NULL;
}

struct health_upstream_shm *health_upstream(const struct zone *zone, uint64_t identity)
{
    struct health_view v;

    if (identity == 0 || !health_view_of(zone, &v))
        return NULL;
    for (uint32_t i = 0; i < v.upstreams_n; i++) {
        struct health_upstream_shm *u = &v.upstreams[health_place(identity, i, v.upstreams_n)];
        uint64_t found = atomic_load_explicit(&u->identity, memory_order_acquire);
        if (found == identity)
            return u;
        if (found == 0)
            break;
    }
    return NULL;
}

static uint64_t health_sum(const struct health_view *v, int64_t number)
{
    uint64_t sum = 0;
    uint32_t slots = atomic_load_explicit(&v->head->slots, memory_order_relaxed);

    for (uint32_t slot = 0; slot < slots && slot < BOARD_SLOTS; slot++) {
        _Atomic uint32_t *row =
            (void *)(v->counters + slot * health_stride(v->peers_n, v->upstreams_n));
        sum += atomic_load_explicit(&row[number], memory_order_relaxed);
    }
    return sum;
}

/* A claim that was cut short leaves a row that is still the old one's, or nobody's: nothing has to
 * be mended. */
void health_hold(const struct zone *zone, uint32_t slot)
{
    struct health_shm *head = region_body(zone);
    if (lock_take(&head->claims, slot) == LOCK_SUSPECT)
        lock_sound(&head->claims);
}

void health_release(const struct zone *zone, uint32_t slot)
{
    struct health_shm *head = region_body(zone);
    lock_give(&head->claims, slot);
}

static struct health_peer_shm *health_spare_peer(const struct health_view *v, uint64_t identity,
                                                 uint64_t era)
{
    for (uint32_t i = 0; i < v->peers_n; i++) {
        struct health_peer_shm *p = &v->peers[health_place(identity, i, v->peers_n)];
        if (atomic_load(&p->identity) == 0 ||
            (health_stale(atomic_load(&p->era), era) && health_sum(v, p - v->peers) == 0))
            return p;
    }
    return NULL;
}

static struct health_upstream_shm *health_spare_upstream(const struct health_view *v,
                                                         uint64_t identity, uint64_t era)
{
    for (uint32_t i = 0; i < v->upstreams_n; i++) {
        struct health_upstream_shm *u = &v->upstreams[health_place(identity, i, v->upstreams_n)];
        if (atomic_load(&u->identity) == 0 || health_stale(atomic_load(&u->era), era))
            return u;
    }
    return NULL;
}

static void health_name(char to[64], const char *name)
{
    size_t n = strnlen(name, 63);
    memcpy(to, name, n);
    memset(to + n, 0, 64 - n);
}

static uint64_t health_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* What another left in the row, its log and its counters. */
static void health_clean_peer(const struct health_view *v, struct health_peer_shm *p)
{
    atomic_store(&p->verdict, 0);
    atomic_store(&p->since, 0);
    atomic_store(&p->probed, 0);
    atomic_store(&p->asked, 0);
    atomic_store(&p->answered, 0);
    atomic_store(&p->cause, 0);
    atomic_store(&p->status, 0);
    atomic_store(&p->changes, 0);
    atomic_store(&p->attended, 0);
    atomic_store(&p->requests, 0);
    atomic_store(&p->failures, 0);
    atomic_store(&p->connects, 0);
    atomic_store(&p->latency, 0);
    atomic_store(&p->failed, 0);
    atomic_store(&p->recovered, 0);
    memset(&v->logs[p - v->peers], 0, sizeof(struct health_log_shm));
    for (uint32_t slot = 0; slot < BOARD_SLOTS && slot < atomic_load(&v->head->slots); slot++) {
        _Atomic uint32_t *row =
            (void *)(v->counters + slot * health_stride(v->peers_n, v->upstreams_n));
        atomic_store(&row[p - v->peers], 0);
    }
}

/* A row that nobody had is clean, and its log takes no memory as long as nobody touches it. */
static void health_open_peer(const struct health_view *v, struct health_peer_shm *p,
                             uint64_t identity)
{
    if (atomic_load(&p->identity) != 0)
        health_clean_peer(v, p);
    atomic_store(&p->opened, health_clock());
    atomic_store_explicit(&p->identity, identity, memory_order_release);
}

struct health_peer_shm *health_claim_peer(const struct zone *zone, uint64_t identity,
                                          const char *name, uint64_t era)
{
    struct health_view v;
    struct health_peer_shm *p = health_peer(zone, identity);
    bool fresh = p == NULL;

    if (identity == 0 || !health_view_of(zone, &v))
        return NULL;
    if (fresh)
        p = health_spare_peer(&v, identity, era);
    if (p == NULL)
        return NULL;
    atomic_store(&p->era, era);
    health_name(p->name, name);
    if (fresh)
        health_open_peer(&v, p, identity);
    return p;
}

static void health_clear_counts(const struct health_view *v, const struct health_upstream_shm *u)
{
    uint64_t stride = health_stride(v->peers_n, v->upstreams_n);
    for (uint32_t slot = 0; slot < BOARD_SLOTS && slot < atomic_load(&v->head->slots); slot++) {
        _Atomic uint32_t *row = (void *)(v->counters + slot * stride);
        for (uint32_t count = 0; count < HEALTH_COUNTS; count++)
            atomic_store(&row[v->peers_n + count * v->upstreams_n + (uint32_t)(u - v->upstreams)],
                         0);
    }
}

struct health_upstream_shm *health_claim_upstream(const struct zone *zone, uint64_t identity,
                                                  const char *name, uint64_t era)
{
    struct health_view v;
    struct health_upstream_shm *u = health_upstream(zone, identity);
    bool fresh = u == NULL;

    if (identity == 0 || !health_view_of(zone, &v))
        return NULL;
    if (fresh)
        u = health_spare_upstream(&v, identity, era);
    if (u == NULL)
        return NULL;
    atomic_store(&u->era, era);
    health_name(u->name, name);
    if (fresh) {
        health_clear_counts(&v, u);
        atomic_store(&u->turn, 0);
        atomic_store(&u->opened, health_clock());
        atomic_store_explicit(&u->identity, identity, memory_order_release);
    }
    return u;
}

/* --- in flight ------------------------------------------------------------------------- */

_Atomic uint32_t *health_in_flight(const struct zone *zone, const struct health_peer_shm *peer,
                                   uint32_t slot)
{
    struct health_tally tally;

    health_tally_peer(zone, peer, &tally);
    return health_tally_own(zone, &tally, slot);
}

uint64_t health_in_flight_sum(const struct zone *zone, const struct health_peer_shm *peer)
{
    struct health_view v;
    int64_t number;

    if (!health_view_of(zone, &v) || (number = health_number(&v, peer)) < 0)
        return 0;
    return health_sum(&v, number);
}

void health_forget(const struct zone *zone, uint32_t slot)
{
    struct health_view v;
    if (slot >= BOARD_SLOTS || !health_view_of(zone, &v))
        return;
    (void)lock_break(&v.head->claims, slot);
    for (uint32_t i = 0; i < v.upstreams_n; i++)
        (void)lock_break(&v.upstreams[i].places, slot);
    if (slot < atomic_load(&v.head->slots))
        memset(v.counters + slot * health_stride(v.peers_n, v.upstreams_n), 0,
               health_stride(v.peers_n, v.upstreams_n));
    health_state_forget(&v, slot);
}

static void health_copy_peer(struct health_peer_shm *p, const struct health_peer_shm *old)
{
    atomic_store(&p->verdict, atomic_load(&old->verdict));
    atomic_store(&p->since, atomic_load(&old->since));
    atomic_store(&p->probed, atomic_load(&old->probed));
    atomic_store(&p->cause, atomic_load(&old->cause));
    atomic_store(&p->status, atomic_load(&old->status));
    atomic_store(&p->changes, atomic_load(&old->changes));
    atomic_store(&p->attended, atomic_load(&old->attended));
    atomic_store(&p->requests, atomic_load(&old->requests));
    atomic_store(&p->failures, atomic_load(&old->failures));
    atomic_store(&p->connects, atomic_load(&old->connects));
    atomic_store(&p->latency, atomic_load(&old->latency));
    atomic_store(&p->opened, atomic_load(&old->opened));
    atomic_store(&p->failed, atomic_load(&old->failed));
    atomic_store(&p->recovered, atomic_load(&old->recovered));
}

static void health_copy_turns(const struct zone *to, const struct health_view *v)
{
    for (uint32_t i = 0; i < v->upstreams_n; i++) {
        const struct health_upstream_shm *old = &v->upstreams[i];
        char name[sizeof old->name];
        health_name(name, old->name);
        struct health_upstream_shm *u =
            health_claim_upstream(to, atomic_load(&old->identity), name, atomic_load(&old->era));
        if (!u)
            continue;
        atomic_store(&u->turn, atomic_load(&old->turn));
        atomic_store(&u->opened, atomic_load(&old->opened));
    }
}

static void health_copy_tries(const struct zone *to, const struct health_view *v)
{
    struct health_view t;
    if (!health_view_of(to, &t))
        return;
    for (uint32_t slot = 0; slot < BOARD_SLOTS; slot++)
        if (atomic_load(&v->head->tries[slot]))
            atomic_store(&t.head->tries[slot], 1);
}

/* A word that no process wrote would still be a state: every word unpacks to one. */
void health_copy(const struct zone *to, const struct zone *from)
{
    struct health_view v;
    struct health_entry entries[HEALTH_LOG];

    if (!health_view_of(from, &v))
        return;
    for (uint32_t i = 0; i < v.peers_n; i++) {
        const struct health_peer_shm *old = &v.peers[i];
        char name[sizeof old->name];
        health_name(name, old->name);
        struct health_peer_shm *p =
            health_claim_peer(to, atomic_load(&old->identity), name, atomic_load(&old->era));
        if (p == NULL)
            continue;
        health_copy_peer(p, old);
        uint32_t n = health_log_read(from, old, entries);
        for (uint32_t k = 0; k < n; k++)
            health_log_add(to, p, &entries[k]);
    }
    health_copy_turns(to, &v);
    health_copy_tries(to, &v);
}
