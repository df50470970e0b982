/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shifts go on: the control process of the newest configuration looks at each service that is being
 * shifted, several times a second, and makes the step, finishes or undoes it. All that it knows is
 * in the service's record and beside it, so that its successor goes on where it was, whenever it
 * dies; while there is none, workers go on at the share of the last step.
 */
#ifndef MASTER_SHIFTING_H
#define MASTER_SHIFTING_H

#include "master/control/api.h"
#include "worker/base/override.h"
#include "worker/base/shift.h"

enum { SHIFTING_TURN = 200 /* ms between two looks */ };

/* Looks at all of them. Cheap when there is none. */
void shifting_look(struct api *api);

/* The service leads to the shift's upstream from now on, and the shift is gone from its list.
 * False: no memory. */
bool shifting_finish(struct override_list *list, const struct conf_service *service, int64_t now);

/* Writes "5xx: 3 of 20 (15 %) are more than 1 %", of one that was undone; or "5xx or over 500 ms:
 * ...". */
void shifting_why(const struct override *o, char *out, size_t cap);

#endif
