/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rates that all workers count together: so many in a window of time, for whoever a key stands for.
 * A claim on one or several limits is granted whole or not at all, before the request goes on;
 * counting is one compare-and-swap each, without a lock, so that no two workers together let one
 * too many pass. Only a key that has no counter yet takes a lock, for the shard that gets it.
 *
 * A process that dies inside leaves at most a claim that it was granted and did not use.
 */
#ifndef SHM_LIMITS_H
#define SHM_LIMITS_H

#include "shm/calendar.h"
#include "shm/region.h"

enum { LIMITS_VERSION = 1, LIMITS_CLAIMS_MAX = CALENDAR_UNITS };

enum limits_shape {
    LIMITS_FIXED,   /* the window that begins with the second, minute, ... */
    LIMITS_SLIDING, /* the last so many seconds, taking the window before as evenly filled */
    LIMITS_BUCKET,  /* tokens that come back evenly over the window's length, up to `burst` */
};

struct limits; /* process-local handle */

struct limits_claim {
    uint64_t key; /* limits_key() */
    enum calendar_unit unit;
    enum limits_shape shape;
    uint32_t limit, burst; /* burst: with LIMITS_BUCKET */
    uint32_t cost;
    /* what came of it */
    uint32_t left;  /* after this claim, or before it where it was refused */
    uint32_t reset; /* s, rounded up, until the window ends; until all tokens are back */
    uint32_t retry; /* s, rounded up, until a refused claim may pass; 0 for one that fitted */
};

struct limits_stats {
    uint64_t counters, room; /* in use at some time, and how many there can be */
    uint64_t evicted;        /* live ones that had to make room: what they counted was forgotten */
};

/* A zone with room for about size / 16 counters; memory is used as keys come. Master, before fork.
 */
bool limits_make(struct zone *zone, uint64_t size);
/* Whether that zone is what limits_make() would make of that size. */
bool limits_fits(const struct zone *zone, uint64_t size);
/* For the process that owns `slot` on the board; NULL: no memory. */
struct limits *limits_attach(const struct zone *zone, uint32_t slot);
void limits_detach(struct limits **limits);
/* Master: frees the locks of a process that was reaped. */
void limits_break(const struct zone *zone, uint32_t slot);

/* What stands for `who` under `scope` (a limit's own number). Keyed, so that nobody can choose
 * whose counter is theirs. */
uint64_t limits_key(const struct limits *limits, uint64_t scope, const void *who, size_t n);

/* Grants all claims (0 < n <= LIMITS_CLAIMS_MAX, each with a counter of its own),
 * or none: false. `now`: ms since 1970. */
bool limits_take(struct limits *limits, struct limits_claim *claims, int n, int64_t now);
/* Whether it would grant them now, and what would be left; nothing is taken. */
bool limits_would(struct limits *limits, struct limits_claim *claims, int n, int64_t now);

/* Takes back what was granted under the same `now`. */
void limits_give(struct limits *limits, const struct limits_claim *claims, int n, int64_t now);

/* The counter of the claim's window that `at` (ms since 1970) lies in, or of its bucket, counts
 * `added` more, and `floor` (requests; a bucket's time in us) at the least: what somebody else
 * knows of it. */
void limits_settle(struct limits *limits, const struct limits_claim *claim, int64_t at,
                   uint32_t added, uint64_t floor);

void limits_stats(const struct limits *limits, struct limits_stats *out);

#endif
