/* SPDX-License-Identifier: Apache-2.0 */
/* The part of GET /metrics about keys of token issuers. */
#ifndef MASTER_METRICS_JWKS_H
#define MASTER_METRICS_JWKS_H

#include "master/control/api.h"
#include <stdio.h>

/* Families of lines, one an issuer; nothing when there are none. */
void metrics_jwks_write(const struct api *api, FILE *out);

#endif
