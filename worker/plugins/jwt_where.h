/* SPDX-License-Identifier: Apache-2.0 */
/* Where a request may have a token: arguments, cookies, fields. */
#ifndef PLUGINS_JWT_WHERE_H
#define PLUGINS_JWT_WHERE_H

#include "conf/plugins/plugin_jwt.h"
#include "worker/stream.h"

struct jwt_where {
    struct slice token; /* the first; {NULL, 0} for an argument without a value */
    unsigned n;         /* different ones; 2: too many */
};

/* What is found lives as long as the request. */
void jwt_where_find(struct stream *s, const struct conf_jwt *config, struct jwt_where *out);

#endif
