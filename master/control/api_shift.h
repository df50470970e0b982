/* SPDX-License-Identifier: Apache-2.0 */
/* Shifts as the API shows them, for the other files of the API. */
#ifndef MASTER_API_SHIFT_H
#define MASTER_API_SHIFT_H

#include "master/control/api.h"
#include "worker/base/override.h"

/* What an override says of a shift: {"percent", "state", "step", "abort_if", "requests", ...}. */
json_t *api_shift_json(const struct override *o);

/* The service's shift with all that is known of it; null: it has none. */
json_t *api_shift_of(const struct api *api, const struct conf_service *service);

#endif
