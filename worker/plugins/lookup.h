/* SPDX-License-Identifier: Apache-2.0 */
/* Fields and arguments of a request by a configured name. */
#ifndef PLUGINS_LOOKUP_H
#define PLUGINS_LOOKUP_H

#include "worker/stream.h"

/* The first field line with that name (any case) after `after` (NULL: the first of all), or NULL.
 */
const struct field *lookup_field(const struct head *head, const struct conf_text *name,
                                 const struct field *after);

/* Walks the arguments called `name` (compared decoded): true with the next one's decoded value
 * while there are any. `rest` is the query at first. value->p is NULL for an argument without "=".
 */
bool lookup_argument(struct stream *s, struct slice *rest, const struct conf_text *name,
                     struct slice *value);

/* What a request says under that name, as far as plugins have come: what one of them set or took
 * out counts before the client's first line, which may be forged. {NULL, 0}: nothing. */
struct slice lookup_header(struct stream *s, const struct conf_text *name);

/* What would be sent upstream under that name, several lines joined; {NULL, 0}: nothing. */
struct slice lookup_upstream(struct stream *s, struct slice name);

/* Takes the arguments called `name` out of the query that is sent upstream. False: no memory. */
bool lookup_hide_argument(struct stream *s, const struct conf_text *name);

#endif
