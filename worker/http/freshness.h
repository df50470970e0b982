/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cache-Control and freshness (RFC 9111). Pure arithmetic on parsed heads; seconds since 1970 come
 * as arguments.
 */
#ifndef HTTP_FRESHNESS_H
#define HTTP_FRESHNESS_H

#include "worker/http/head.h"

enum { FRESHNESS_UNSET = -1 };

/* The directives of all Cache-Control lines of one head. Seconds, FRESHNESS_UNSET when absent or
 * invalid. */
struct cache_control {
    int64_t max_age, s_maxage, max_stale, min_fresh, stale_while_revalidate, stale_if_error;
    bool any; /* the head has a Cache-Control line */
    bool no_cache, no_store, private_, public_, must_revalidate, proxy_revalidate, only_if_cached,
        must_understand, immutable, no_transform;
    bool max_stale_any;   /* max-stale without a value */
    bool no_cache_fields; /* no-cache="field": names in no_cache_names, and no_cache is false */
    bool private_fields;
    bool max_age_invalid, s_maxage_invalid; /* there but unreadable: freshness_lifetime says 0 */
    struct slice no_cache_names, private_names; /* as written between the quotes */
};

void freshness_directives(const struct head *h, struct cache_control *out);
void freshness_parse(struct slice value,
                     struct cache_control *out); /* one line, merged into *out */
void freshness_clear(struct cache_control *out);

/* How long a response is fresh, in seconds from its generation: s-maxage, max-age, Expires minus
 * Date (a malformed Expires is 0, and so is an unreadable s-maxage or max-age, or a repeated
 * Expires); FRESHNESS_UNSET when it says nothing. */
int64_t freshness_lifetime(const struct head *response, const struct cache_control *cc,
                           int64_t received);

/* Age of a response when it arrived (RFC 9111 section 4.2.3, corrected_initial_age). */
int64_t freshness_initial_age(const struct head *response, int64_t requested, int64_t received);

#endif
