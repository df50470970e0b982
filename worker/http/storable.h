/* SPDX-License-Identifier: Apache-2.0 */
/*
 * May a response be stored, and what holds for it then (RFC 9111 section 3, 4.2, RFC 9213)? Pure:
 * heads, settings and times in, a verdict out.
 */
#ifndef HTTP_STORABLE_H
#define HTTP_STORABLE_H

#include "worker/http/reuse.h"

struct storable_rules {
    bool obey;          /* Cache-Control counts; else every response is fresh for `ttl` */
    bool cookies;       /* Set-Cookie may be stored */
    bool authorization; /* the request had Authorization */
    int64_t ttl;        /* freshness of what states none; 0 = a guess where that is allowed */
    int64_t keep;       /* seconds that it stays, whatever its freshness; 0 = as it needs */
};

struct storable {
    const char *refusal;         /* why not; NULL: it may */
    int64_t age, lifetime, keep; /* seconds; keep counts from now */
    int64_t stale_while, stale_error;
    uint32_t modified;       /* seconds since 1970, 0 = none */
    uint32_t flags;          /* enum reuse_flag */
    enum reuse_from from;    /* where lifetime came from */
    struct slice without[2]; /* lists of field names that must not be stored; may be absent */
};

void storable_judge(const struct head *response, const struct storable_rules *rules,
                    int64_t requested, int64_t received, struct storable *out);

/* Fills the times and flags of an object's meta. */
void storable_meta(const struct storable *s, int64_t received, struct cache_meta *out);

/* Is `f` stored: not hop by hop, not framing, not Age, and not excluded by the response. */
bool storable_field(const struct storable *s, const struct field *f);

#endif
