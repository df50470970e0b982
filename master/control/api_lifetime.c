/* SPDX-License-Identifier: Apache-2.0 */
/*
 * age = age at store + time since; fresh while age < lifetime (RFC 9111 section 4.2). Moments are
 * told as well as spans, so that nobody has to add.
 */
#include "master/control/api_lifetime.h"
#include "worker/http/reuse.h"

static void put(json_t *o, const char *name, int64_t value)
{
    json_object_set_new(o, name, json_integer(value));
}

static const char *source_of(const struct cache_meta *meta)
{
    static const char *const names[] = {
        [REUSE_FROM_UNKNOWN] = "unknown",   [REUSE_FROM_TTL] = "cache_ttl",
        [REUSE_FROM_S_MAXAGE] = "s-maxage", [REUSE_FROM_MAX_AGE] = "max-age",
        [REUSE_FROM_EXPIRES] = "Expires",   [REUSE_FROM_TARGETED] = "CDN-Cache-Control",
        [REUSE_FROM_GUESS] = "heuristic",
    };
    uint32_t from = meta->flags >> REUSE_FROM_SHIFT & REUSE_FROM_MASK;

    return from < sizeof names / sizeof names[0] ? names[from] : names[REUSE_FROM_UNKNOWN];
}

static const char *state_of(const struct cache_meta *meta, bool soft, int64_t now)
{
    if (meta->keep_until < now)
        return "expired";
    if (meta->flags & REUSE_VALIDATE)
        return "validated each time";
    if (reuse_age(meta, now) >= meta->fresh_for)
        return "stale";
    return soft ? "purged softly" : "fresh";
}

json_t *api_lifetime_json(const struct cache_meta *meta, bool soft, int64_t now)
{
    json_t *o = json_object();
    bool fresh = reuse_age(meta, now) < meta->fresh_for;
    int64_t until = meta->stored - meta->initial_age + meta->fresh_for;

    put(o, "stored", meta->stored);
    put(o, "age_at_store", meta->initial_age);
    put(o, "since_stored", now - meta->stored);
    put(o, "age", reuse_age(meta, now));
    put(o, "lifetime", meta->fresh_for);
    json_object_set_new(o, "lifetime_from", json_string(source_of(meta)));
    json_object_set_new(o, "state", json_string(state_of(meta, soft, now)));
    json_object_set_new(o, "purged_softly", json_boolean(soft));
    if (!soft || !fresh) /* since when it is stale, nobody wrote down */
        put(o, fresh ? "fresh_until" : "stale_since", until);
    put(o, "stale_while_revalidate", meta->stale_while);
    put(o, "stale_while_until", until + meta->stale_while);
    put(o, "stale_if_error", meta->stale_error);
    put(o, "stale_error_until", until + meta->stale_error);
    put(o, "kept_until", meta->keep_until);
    json_object_set_new(o, "must_revalidate", json_boolean(meta->flags & REUSE_STRICT));
    json_object_set_new(o, "immutable", json_boolean(meta->flags & REUSE_IMMUTABLE));
    if (meta->retry_at > now)
        put(o, "refresh_not_before", meta->retry_at);
    return o;
}
