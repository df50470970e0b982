/* SPDX-License-Identifier: Apache-2.0 */
/* gatewayctl: what the commands about stored objects have in common. */
#ifndef MASTER_CTL_CACHE_H
#define MASTER_CTL_CACHE_H

#include "master/ctl/ctl_command.h"
#include <jansson.h>

/* What objects are asked for; NULL: any. --limit and --dict come on top of it. */
struct ctl_cache_query {
    const char *url, *method;
    bool details;
};

/* Whether it has the form of a key: 32 hex digits. */
bool ctl_cache_is_key(const char *text);

/* GET /cache/keys. *value: {"keys": [...]}, the caller's; NULL unless CTL_OK. */
enum ctl_exit ctl_cache_find(struct ctl *ctl, const struct ctl_cache_query *query, json_t **value);

/* GET of a path, with ?dict= when --dict is given. */
enum ctl_exit ctl_cache_of_dict(struct ctl *ctl, const char *path, json_t **value);

/* Says that nothing is stored for that. CTL_REFUSED. */
enum ctl_exit ctl_cache_nothing(struct ctl *ctl, const char *what);

#endif
