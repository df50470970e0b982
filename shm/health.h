/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One row a peer and one a upstream, found by identity, so that a reload keeps what is known of
 * those that stay. This is the only truth about health: the checker and the workers' passive counts
 * change it, a worker reads it at each choice. In-flight counts are per board slot, summed by
 * readers, so that a dead worker's share disappears with it.
 *
 * Health proper is one word a row, changed by compare-and-swap by the rules of shm/verdict.h: who
 * is killed at whatever instruction has changed it or has not. What follows a change (its time, its
 * cause, its line in the log of the row) may be missing then, and nothing depends on that.
 */
#ifndef SHM_HEALTH_H
#define SHM_HEALTH_H

#include "conf/fnv.h"
#include "shm/health_cause.h"
#include "shm/health_rows.h"
#include "shm/health_tally.h"
#include "shm/verdict.h"

/* A zone with ample room for so many rows (sparse: unused ones cost nothing). */
bool health_make(struct zone *zone, uint32_t peers, uint32_t upstreams);
/* Whether a load of that size can be claimed beside the rows of the load that still runs. */
bool health_fits(const struct zone *zone, uint32_t peers, uint32_t upstreams);

/* Rows are claimed by the process that needs one, between health_hold() and health_release(), which
 * take and give the lock on claims for the caller's board slot. */
void health_hold(const struct zone *zone, uint32_t slot);
void health_release(const struct zone *zone, uint32_t slot);
/* Finds or gives a row; NULL: full. A row that was named neither in this era nor in the one before,
 * and has nothing in flight, may be given to another: who uses one names it again now and then. */
struct health_peer_shm *health_claim_peer(const struct zone *zone, uint64_t identity,
                                          const char *name, uint64_t era);
struct health_upstream_shm *health_claim_upstream(const struct zone *zone, uint64_t identity,
                                                  const char *name, uint64_t era);
enum { HEALTH_ERA_MS = 10 * 60 * 1000 };
static inline uint64_t health_era(int64_t monotonic_ms)
{
    return (uint64_t)(monotonic_ms / HEALTH_ERA_MS) + 1;
}
/* The identity of an upstream's row, made of its id (a UUID in text, the same over reloads): master
 * and workers have to ask for the same one. Never 0. */
static inline uint64_t health_upstream_identity(const char *uuid)
{
    uint64_t h = fnv_text(FNV_BEGIN, uuid);
    return h ? h : 1;
}

/* Any process: the row of that identity, or NULL. */
struct health_peer_shm *health_peer(const struct zone *zone, uint64_t identity);
struct health_upstream_shm *health_upstream(const struct zone *zone, uint64_t identity);

/* Master, at reap: zeroes all counters of a slot, gives up the trials that it held, and breaks its
 * lock. */
void health_forget(const struct zone *zone, uint32_t slot);
/* Master: carries all rows over from the old zone to a fresh, larger one that no other process has
 * yet. */
void health_copy(const struct zone *to, const struct zone *from);

/* --- state: health_state.c ------------------------------------------------------------------ */

static inline enum health_state health_state(const struct health_peer_shm *peer)
{
    return (enum health_state)(atomic_load_explicit(&peer->verdict, memory_order_relaxed) & 3);
}

/* The whole word is zero: UP, and no failure to be set back. A success needs no more than this. */
static inline bool health_spotless(const struct health_peer_shm *peer)
{
    return atomic_load_explicit(&peer->verdict, memory_order_relaxed) == 0;
}

/* "up", "down", "trial". */
const char *health_state_name(enum health_state state);

static inline uint32_t health_tick(int64_t monotonic_ms)
{
    return (uint32_t)(monotonic_ms / VERDICT_TICK_MS);
}

/* The caller's present: ms by CLOCK_MONOTONIC, real_ms since 1970. */
struct health_now {
    const struct zone *zone;
    int64_t ms, real_ms;
};

/* What was seen, for the log of the row and its last change. */
struct health_seen {
    /* By requests, us of CLOCK_MONOTONIC: what was seen came about after `since`, when the try
     * began or when its answer was not there yet, and before `until`. 0: not known. */
    int64_t since, until;
    enum verdict_source source;
    enum verdict_event event;
    enum health_cause cause;
    int status;       /* HTTP's; 0: none */
    uint32_t took;    /* us; 0: not known */
    const char *text; /* more exactly, cut to fit; NULL: nothing to add */
};

/* What a call made of the state. */
enum health_change { HEALTH_SAME, HEALTH_WENT_DOWN, HEALTH_WENT_UP };

/* Counts one observation by any process. Of all that see the limit reached at the same time, one is
 * told of the change. What requests saw contradicts nothing that is younger: an answer from before
 * the last TCP failure is VERDICT_LATE, a failure of a try from before the peer came back is none.
 */
enum health_change health_state_count(struct health_peer_shm *peer, const struct health_seen *seen,
                                      const struct verdict_limits *limits,
                                      const struct health_now *now);

/* Takes the half-open trial for `slot`; true for one caller at a time over all processes. He ends
 * it by health_state_conclude() or health_state_abandon(); should he die, health_forget() does, and
 * should he not come to an end within `patience` ms, another may take it. */
bool health_state_try(struct health_peer_shm *peer, uint32_t slot, int64_t patience,
                      const struct health_now *now);
enum health_change health_state_conclude(struct health_peer_shm *peer, uint32_t slot,
                                         const struct health_seen *seen,
                                         const struct verdict_limits *limits,
                                         const struct health_now *now);
void health_state_abandon(struct health_peer_shm *peer, uint32_t slot,
                          const struct health_now *now);
/* Whether a trial could be taken now. */
bool health_state_may_try(const struct health_peer_shm *peer, int64_t ms);

/* By hand: UP or DOWN, all counters reset. */
enum health_change health_state_set(struct health_peer_shm *peer, enum health_state state,
                                    const struct health_now *now);
/* What new settings mean for what is known; see verdict_settle(). */
enum health_change health_state_settle(struct health_peer_shm *peer,
                                       const struct verdict_limits *limits,
                                       const struct health_now *now);

/* Checker: it looks after the peer from now on, in a generation. What is known of one that was in
 * no set for a while (a whole generation, or since health_state_leave) is forgotten. */
enum health_change health_state_attend(struct health_peer_shm *peer, uint64_t generation,
                                       const struct health_now *now);
/* The peer has left its set. */
void health_state_leave(struct health_peer_shm *peer);

/* Grows with each change of any peer's state: who keeps conclusions looks at it. */
uint64_t health_state_changes(const struct zone *zone);

/* Asks the checker for a probe out of turn, and how many were asked for so far in the zone. */
void health_state_ask(const struct zone *zone, struct health_peer_shm *peer);
uint32_t health_state_asks(const struct zone *zone);

/* --- the log of a row: health_log.c --------------------------------------------------------- */

enum { HEALTH_LOG = 16, HEALTH_LOG_TEXT = 96 };

enum health_kind { HEALTH_PROBE = 1, HEALTH_TRANSITION };

struct health_entry {
    uint64_t number;            /* 1 for the first of the row */
    int64_t real_ms;            /* since 1970 */
    uint32_t took;              /* us */
    uint16_t status;            /* HTTP's; 0: none */
    uint8_t kind;               /* enum health_kind */
    uint8_t cause;              /* enum health_cause */
    uint8_t source;             /* enum verdict_source */
    uint8_t event;              /* enum verdict_event */
    uint8_t state;              /* enum health_state, after it */
    char text[HEALTH_LOG_TEXT]; /* terminated */
};

/* A probe that changed nothing is noted so; changes note themselves. */
void health_log_note(struct health_peer_shm *peer, const struct health_seen *seen,
                     const struct health_now *now);
/* The last entries, oldest first; returns how many. What is being written is left out. */
uint32_t health_log_read(const struct zone *zone, const struct health_peer_shm *peer,
                         struct health_entry out[HEALTH_LOG]);

#endif
