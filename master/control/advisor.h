/* SPDX-License-Identifier: Apache-2.0 */
/* The control process's models of its dictionaries (shm/advice.h): fed a few times a second, asked
 * by the API. */
#ifndef MASTER_ADVISOR_H
#define MASTER_ADVISOR_H

#include "shm/advice.h"

enum { ADVISOR_MS = 200 }; /* how often it should be fed: the ring is short */

struct advisor {
    struct cache *cache;
    struct advice *advice;                  /* NULL until there is an event */
    uint64_t at;                            /* in the stream of samples */
    uint64_t hits, missed;                  /* of the dictionary, when it was looked at last */
    int64_t looked;                         /* when that was; 0: never */
    double seen_hits, seen_missed, seconds; /* since, the past fading by the hour */
};

/* `cache` may be NULL: then all of these do nothing. */
void advisor_open(struct advisor *a, struct cache *cache);
void advisor_close(struct advisor *a);

/* Takes what has happened up to now; seconds since 1970. */
void advisor_feed(struct advisor *a, int64_t now);
/* The same, and what the dictionary says of itself; False: there is nothing to tell yet. */
bool advisor_ask(struct advisor *a, int64_t now, struct advice_report *out);

#endif
