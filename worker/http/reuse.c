/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Age against lifetime, first as the client bounds it, then as the response does. Two directives
 * forbid staleness with different force: must-revalidate always, s-maxage only where the response
 * does not say itself that it may be stale (RFC 5861), as both are sent together in practice.
 */
#include "worker/http/reuse.h"

enum { BACK_OFF = 4, BACK_OFF_JITTER = 3, BACK_OFF_MAX = 300 };

static bool taken_stale(const struct cache_control *request, int64_t staleness)
{
    return request->max_stale_any ||
           (request->max_stale != FRESHNESS_UNSET && staleness <= request->max_stale);
}

/* The client wants it younger, fresher, or asked for. Who bounds the age takes nothing stale that
 * he does not say he takes (RFC 9111 section 5.2.1.1). */
static bool refused_by_client(const struct cache_meta *m, const struct cache_control *request,
                              int64_t age, int64_t left)
{
    bool settled = left > 0 && (m->flags & REUSE_IMMUTABLE) != 0;

    if (request->no_cache)
        return true;
    if (request->max_age != FRESHNESS_UNSET && left <= 0 && !taken_stale(request, -left))
        return true;
    if (request->max_age != FRESHNESS_UNSET && !settled &&
        (request->max_age == 0 || age > request->max_age))
        return true;
    return request->min_fresh != FRESHNESS_UNSET && left < request->min_fresh;
}

/* What was purged softly and would be fresh: stale since now. */
static bool refreshable(const struct cache_meta *m)
{
    return !(m->flags & REUSE_SHARED) || m->stale_while > 0;
}

enum reuse_verdict reuse_judge(const struct cache_meta *m, const struct cache_control *request,
                               bool soft, int64_t now)
{
    int64_t age = reuse_age(m, now), left = m->fresh_for - age;
    bool purged = soft && left > 0;

    if (purged)
        left = 0;
    if (m->flags & REUSE_VALIDATE)
        return REUSE_ASK;
    if (request && refused_by_client(m, request, age, left))
        return REUSE_ASK;
    if (left > 0)
        return REUSE_FRESH;
    if (m->flags & REUSE_STRICT)
        return REUSE_ASK;
    if (purged && refreshable(m))
        return REUSE_REFRESH;
    if (m->stale_while > 0 && -left < m->stale_while)
        return REUSE_REFRESH;
    if (request && !(m->flags & REUSE_SHARED) && taken_stale(request, -left))
        return REUSE_STALE;
    return REUSE_ASK;
}

bool reuse_on_error(const struct cache_meta *m, const struct cache_control *request, bool listed,
                    int64_t now)
{
    int64_t staleness = reuse_age(m, now) - m->fresh_for;

    if (m->flags & (REUSE_STRICT | REUSE_VALIDATE))
        return false;
    if (request && request->no_cache)
        return false;
    if (m->stale_error > 0 && staleness < m->stale_error)
        return true;
    if (request && request->stale_if_error != FRESHNESS_UNSET && !(m->flags & REUSE_SHARED) &&
        staleness < request->stale_if_error)
        return true;
    return listed && !(m->flags & REUSE_SHARED);
}

int64_t reuse_back_off(int64_t retry_after, uint32_t dice)
{
    int64_t wait = retry_after > BACK_OFF ? retry_after : BACK_OFF;

    if (wait > BACK_OFF_MAX)
        wait = BACK_OFF_MAX;
    return wait + dice % (BACK_OFF_JITTER + (uint32_t)wait / 8);
}
