/* SPDX-License-Identifier: Apache-2.0 */
/* The Prometheus text format, version 0.0.4, made from shared memory. */
#ifndef MASTER_METRICS_H
#define MASTER_METRICS_H

#include "master/control/api.h"
#include <stdio.h>

/* Writes every family; false: no memory to begin with. Routes that have not had a request yet, and
 * zero counts by code and cache status, are left out. */
bool metrics_write(const struct api *api, FILE *out);

/* Writes name="value", the value escaped; bytes outside ASCII that are no UTF-8 become "?". */
void metrics_label(FILE *out, const char *name, const char *value);

#endif
