/* SPDX-License-Identifier: Apache-2.0 */
/* What is known of the whole gateway at one moment, gathered from shared memory without stopping
 * anybody. */
#ifndef MASTER_STATUS_H
#define MASTER_STATUS_H

#include "master/control/api.h"
#include "shm/stats.h"

enum { STATUS_CODES = 6 }; /* stats_route_shm.status: by hundreds */

extern const char *const status_cache_names[STATS_CACHE_KINDS]; /* "hit", "miss", ... */
extern const char *const status_code_names[STATUS_CODES];       /* "none", "1xx", ... */

struct status_sums {
    struct stats_process_shm process; /* over all slots */
    struct stats_route_shm routes;    /* over all rows, those of no route included */
};

void status_sum(const struct api *api, struct status_sums *out);

/* Live processes of one role in one state (enum board_state). */
unsigned status_processes(const struct api *api, uint32_t role, uint32_t state);

#endif
