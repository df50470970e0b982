/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a request asks of the cache: its key, its directives, and the stored object that they
 * select, over the variants of a URL.
 */
#ifndef WORKER_ASKING_H
#define WORKER_ASKING_H

#include "worker/http/freshness.h"
#include "worker/stream_life.h"

/* Sets s->cache_key and s->cache_id for the method and the target of the request. False: no key can
 * be made. */
bool asking_key(struct stream *s, struct slice method);

/* Cache-Control of the request, or Pragma in its place. */
void asking_directives(const struct stream *s, struct cache_control *out);

/* What the upstream sees in the field with that name: all lines of it as one list, those that
 * Connection names left out, a plugin's value in place of the client's. Absent: {NULL, 0}. False:
 * no memory. */
bool asking_value(struct stream *s, struct slice name, struct slice *value);

enum asking_result {
    ASKING_NONE,    /* nothing is stored for the URL */
    ASKING_VARIANT, /* others are, but not for such a request */
    ASKING_FOUND,   /* s->hit is pinned */
};
/* Looks the key up. s->fill_key, s->fill_id and s->snapshot say afterwards under what the response
 * would be stored if it varied as the stored ones do. */
enum asking_result asking_find(struct stream *s);

/* Where a response with this Vary goes: sets the same fields, and stores the names for those who
 * ask next. False: it cannot be stored. */
bool asking_place(struct stream *s, const struct head *response, int64_t keep_until);

/* By whom and since when: what the meta of all that the request stores has in common. */
void asking_origin(const struct stream *s, struct cache_meta *meta);

/* Does the request fulfil one of the conditions? */
bool asking_fits(const struct stream *s, const struct conf_cache_condition *condition);

#endif
