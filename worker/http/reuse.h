/* SPDX-License-Identifier: Apache-2.0 */
/*
 * May a stored response answer this request now (RFC 9111 section 4)? Pure: what was found out when
 * it was stored, what the request says, and the time.
 */
#ifndef HTTP_REUSE_H
#define HTTP_REUSE_H

#include "shm/cache.h"
#include "worker/http/freshness.h"

/* Flags of cache_meta. */
enum reuse_flag {
    REUSE_AUTHORIZED = 1,  /* may answer requests with Authorization */
    REUSE_VALIDATE = 2,    /* no-cache: never without asking the origin */
    REUSE_STRICT = 4,      /* must-revalidate, proxy-revalidate: never stale */
    REUSE_SHARED = 8,      /* s-maxage: stale only where the response itself allows it */
    REUSE_IMMUTABLE = 16,  /* fresh means unchanged */
    REUSE_ETAG = 32,       /* the head has a usable ETag */
    REUSE_MODIFIED = 64,   /* the head has a usable Last-Modified */
    REUSE_HEURISTIC = 128, /* its freshness is a guess */
    REUSE_VARIES = 256,    /* no response: says which fields select one (http/vary.h) */
    REUSE_COUNTER = 512,   /* no response: counts requests until one is worth storing */
    REUSE_TAGGED = 1024,   /* has tags (http/tags.h) */
    REUSE_CODED = 2048,    /* no response: a body in another coding (worker/caching/coded.h) */
    REUSE_VALIDATORS = REUSE_ETAG | REUSE_MODIFIED,
    REUSE_NO_RESPONSE = REUSE_VARIES | REUSE_COUNTER | REUSE_CODED,
};

/* Where its lifetime came from, in the topmost bits of the flags. */
enum reuse_from {
    REUSE_FROM_UNKNOWN,
    REUSE_FROM_TTL, /* cache_ttl, cache_ttl_by_status */
    REUSE_FROM_S_MAXAGE,
    REUSE_FROM_MAX_AGE,
    REUSE_FROM_EXPIRES,
    REUSE_FROM_TARGETED, /* CDN-Cache-Control */
    REUSE_FROM_GUESS,
    REUSE_FROM_SHIFT = 28,
    REUSE_FROM_MASK = 15,
};

enum reuse_verdict {
    REUSE_FRESH,
    REUSE_STALE,   /* the client takes it stale (max-stale) */
    REUSE_REFRESH, /* stale-while-revalidate: at once, and a refresh in the background */
    REUSE_ASK,     /* the origin first */
};

enum {
    REUSE_SKEW = 60
}; /* seconds by which clocks that were read at different moments may differ */

/* Seconds since the response was generated. What was stored in the future is from before the clock
 * was set back, and nobody knows how old it is: it counts as having become stale just now. */
static inline int64_t reuse_age(const struct cache_meta *m, int64_t now)
{
    if (__builtin_expect(m->stored - now > REUSE_SKEW, 0))
        return m->fresh_for > m->initial_age ? m->fresh_for : m->initial_age;
    return m->initial_age + now - m->stored;
}

/* What was purged softly is stale from then on, and refreshed behind the clients' backs as with
 * stale-while-revalidate, where nothing forbids staleness. */
static inline bool reuse_stale(const struct cache_meta *m, bool soft, int64_t now)
{
    return soft || reuse_age(m, now) >= m->fresh_for;
}

/* For how many seconds more it may be used while it is refreshed (stale-while-revalidate). */
static inline int64_t reuse_while_refreshed(const struct cache_meta *m, int64_t now)
{
    return (int64_t)m->fresh_for + m->stale_while - reuse_age(m, now);
}

/* `request`: the client's directives; NULL when they do not count. `soft`: it was purged softly. */
enum reuse_verdict reuse_judge(const struct cache_meta *m, const struct cache_control *request,
                               bool soft, int64_t now);

/* The origin cannot be asked, or said 5xx: may the stale response stand in? `listed`: the operator
 * allows it for this kind of failure. */
bool reuse_on_error(const struct cache_meta *m, const struct cache_control *request, bool listed,
                    int64_t now);

/* Seconds until a refresh that failed may be tried again: what Retry-After says (0: nothing),
 * within bounds, or a few; `dice`: any number, for the jitter. */
int64_t reuse_back_off(int64_t retry_after, uint32_t dice);

#endif
