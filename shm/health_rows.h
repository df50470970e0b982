/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of the health zone (shm/health.h), as they lie in shared memory. */
#ifndef SHM_HEALTH_ROWS_H
#define SHM_HEALTH_ROWS_H

#include "shm/lock.h"
#include <stdatomic.h>
#include <stdint.h>

enum { HEALTH_VERSION = 6 };

struct health_peer_shm {
    _Atomic uint64_t identity;        /* 0 = free */
    _Atomic uint64_t verdict;         /* shm/verdict.h, packed */
    _Atomic uint64_t since;           /* of the state; milliseconds since 1970; 0: from the begin */
    _Atomic uint64_t era;             /* when it was named last: health_era() */
    _Atomic uint64_t probed;          /* when the last probe began; CLOCK_MONOTONIC ms; 0: never */
    _Atomic uint32_t asked, answered; /* probes out of turn: wanted and done so far */
    _Atomic uint32_t cause;           /* of the last change: enum health_cause */
    _Atomic uint32_t status;          /* the HTTP status in it, or 0 */
    _Atomic uint64_t changes;         /* of the state, so far */
    _Atomic uint64_t requests, failures, connects;
    _Atomic uint64_t attended;  /* by the checker of which generation: health_state_attend() */
    _Atomic uint64_t latency;   /* what worker/balance/latency.c knows of it */
    _Atomic uint64_t opened;    /* when it came, or came again; CLOCK_MONOTONIC ms */
    _Atomic uint64_t failed;    /* the last TCP failure of a request: it was over by then; us of
                                 * CLOCK_MONOTONIC, and so is the next */
    _Atomic uint64_t recovered; /* when it went up last */
    char name[64];              /* "upstream/127.0.0.1:9001" */
} __attribute__((aligned(64)));

struct health_upstream_shm {
    _Atomic uint64_t identity;
    _Atomic uint64_t turn; /* round-robin: the next position of the workers' one sequence */
    _Atomic uint64_t era;
    _Atomic uint64_t opened; /* as a peer's */
    struct lock_shm places;  /* over places and queue where peers have max_connections */
    char name[64];
} __attribute__((aligned(64)));

#endif
