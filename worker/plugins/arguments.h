/* SPDX-License-Identifier: Apache-2.0 */
/* Changes of a query's arguments. What is not changed stays as it came, in its order. */
#ifndef PLUGINS_ARGUMENTS_H
#define PLUGINS_ARGUMENTS_H

#include "conf/transform.h"
#include "worker/plugins/render.h"

/* Sets *query, which may be absent before and after. Values are those of the request as it came. */
enum render_result arguments_change(struct stream *s, const struct conf_transform *changes,
                                    struct slice *query);

#endif
