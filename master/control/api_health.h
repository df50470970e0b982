/* SPDX-License-Identifier: Apache-2.0 */
/* What the calls about health share: how a caller names a target. */
#ifndef MASTER_API_HEALTH_H
#define MASTER_API_HEALTH_H

#include "master/control/api.h"

/* `text` is the target in any spelling ("WEB" is "web:8000"), or one of its addresses; with the
 * upstream's name and a slash before it, it is of that upstream alone. */
bool api_health_is(const struct peer *peer, struct slice text);
/* The same of a target that has no address. */
bool api_health_is_target(const struct conf_upstream *upstream, struct conf_text target,
                          struct slice text);

#endif
