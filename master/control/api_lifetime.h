/* SPDX-License-Identifier: Apache-2.0 */
/* The freshness arithmetic of a stored object, spelled out as JSON: every term, where it came from,
 * and the moments that follow. Pure but for the object's meta. */
#ifndef MASTER_API_LIFETIME_H
#define MASTER_API_LIFETIME_H

#include "shm/cache.h"
#include <jansson.h>

/* Times in seconds since 1970, spans in seconds. `soft`: it was purged softly. NULL: no memory. */
json_t *api_lifetime_json(const struct cache_meta *meta, bool soft, int64_t now);

#endif
