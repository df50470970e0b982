/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order of questions follows RFC 9111 section 3: is the status final and understood, does a
 * directive forbid it, is it somebody's own, can it be used again at all. What cannot be reused
 * without the origin is stored only when there is a validator to ask with, or leave to use it
 * stale.
 */
#include "worker/http/storable.h"
#include "worker/http/build.h"
#include "worker/http/date.h"
#include "worker/http/field.h"
#include "worker/http/scan.h"
#include "worker/http/targeted.h"

enum { HEURISTIC_SHARE = 10, HEURISTIC_MAX = 86400, GRACE_MIN = 3600, GRACE_MAX = 7 * 86400 };

/* RFC 9110 section 15.1, without 206, which is never stored. */
static bool heuristically_cacheable(int status)
{
    static const int list[] = { 200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501 };

    for (size_t i = 0; i < sizeof list / sizeof *list; i++)
        if (list[i] == status)
            return true;
    return false;
}

/* A Vary that no request can be compared by: "*", or what differs from client to client and is not
 * in the request that we look at. */
static const char *vary_refusal(const struct head *h)
{
    for (const struct field *f = head_field(h, FIELD_VARY); f; f = head_next(h, f)) {
        struct slice rest = field_value(f);
        while (rest.n) {
            struct slice name = field_trim(field_cut(&rest, ','));
            enum field_id id = field_lookup(name.p, name.n);
            if (slice_equal(name, SLICE("*")))
                return "Vary: *";
            if (!scan_all(name, SCAN_TOKEN))
                return "Vary is malformed";
            if (id != FIELD_HOST && field_flags(id) & FIELD_OURS)
                return "Vary names a field that the gateway makes";
        }
    }
    return NULL;
}

static bool listed(struct slice names, struct slice name)
{
    while (names.n)
        if (slice_equal_nocase(field_trim(field_cut(&names, ',')), name))
            return true;
    return false;
}

static bool excluded(const struct storable *s, struct slice name)
{
    return listed(s->without[0], name) || listed(s->without[1], name);
}

/* must-understand takes no-store back where both are followed, and nowhere else. */
static const char *status_refusal(int status, const struct cache_control *cc, bool obey)
{
    bool understood = build_reason(status).n > 0;

    if (status < 200)
        return "interim response";
    if (status == 206)
        return "partial content";
    if (status == 304)
        return "not modified for the client";
    if (cc->must_understand && !understood)
        return "status not understood";
    return cc->no_store && !(cc->must_understand && obey) ? "response no-store" : NULL;
}

static const char *owner_refusal(const struct head *h, const struct storable_rules *rules,
                                 const struct cache_control *cc, const struct storable *out)
{
    if (cc->private_ || (cc->private_fields && !rules->obey))
        return "response private";
    if (head_field(h, FIELD_SET_COOKIE) && !rules->cookies && !excluded(out, SLICE("Set-Cookie")))
        return "response sets a cookie";
    if (rules->authorization && !(out->flags & REUSE_AUTHORIZED))
        return "request has Authorization";
    return vary_refusal(h);
}

/* --- freshness ------------------------------------------------------------------------------ */

static int64_t date_field(const struct head *h, enum field_id id, int64_t received)
{
    const struct field *f = head_field(h, id);
    return f ? date_parse(field_value(f), received) : -1;
}

/* A tenth of the time for which it has not changed (RFC 9111 section 4.2.2). */
static int64_t guess(const struct head *h, int64_t received)
{
    int64_t modified = date_field(h, FIELD_LAST_MODIFIED, received);
    int64_t date = date_field(h, FIELD_DATE, received);

    if (date < 0)
        date = received;
    if (modified < 0 || modified >= date)
        return 0;
    int64_t span = (date - modified) / HEURISTIC_SHARE;
    return span < HEURISTIC_MAX ? span : HEURISTIC_MAX;
}

static int64_t stated(const struct head *h, const struct cache_control *cc, bool targeted,
                      int64_t received)
{
    if (!targeted)
        return freshness_lifetime(h, cc, received);
    return cc->s_maxage != FRESHNESS_UNSET ? cc->s_maxage : cc->max_age;
}

/* Which of them stated() followed. */
static enum reuse_from source(const struct cache_control *cc, bool targeted)
{
    if (targeted)
        return REUSE_FROM_TARGETED;
    if (cc->s_maxage != FRESHNESS_UNSET || cc->s_maxage_invalid)
        return REUSE_FROM_S_MAXAGE;
    return cc->max_age != FRESHNESS_UNSET || cc->max_age_invalid ? REUSE_FROM_MAX_AGE
                                                                 : REUSE_FROM_EXPIRES;
}

/* False: the response says nothing that would allow to store it. */
static bool set_freshness(const struct head *h, const struct storable_rules *rules,
                          const struct cache_control *cc, bool targeted, int64_t received,
                          struct storable *out)
{
    int64_t lifetime = stated(h, cc, targeted, received);

    if (lifetime != FRESHNESS_UNSET) {
        out->lifetime = lifetime;
        out->from = source(cc, targeted);
        return true;
    }
    if (rules->ttl > 0) {
        out->lifetime = rules->ttl + out->age;
        out->from = REUSE_FROM_TTL;
        return true;
    }
    out->flags |= REUSE_HEURISTIC;
    out->from = REUSE_FROM_GUESS;
    if (!heuristically_cacheable(h->status) && !cc->public_)
        return false;
    out->lifetime = guess(h, received);
    return true;
}

static int64_t grace(const struct storable *s)
{
    int64_t span = GRACE_MIN;

    if (s->lifetime > span)
        span = s->lifetime < GRACE_MAX ? s->lifetime : GRACE_MAX;
    if (s->stale_while > span)
        span = s->stale_while;
    return s->stale_error > span ? s->stale_error : span;
}

static void set_keep(const struct storable_rules *rules, struct storable *out)
{
    int64_t left = out->lifetime > out->age ? out->lifetime - out->age : 0;

    out->keep = rules->keep ? rules->keep : rules->obey ? left + grace(out) : left;
}

/* --- the verdict ---------------------------------------------------------------------------- */

static void set_flags(const struct head *h, const struct cache_control *cc, bool obey,
                      int64_t received, struct storable *out)
{
    int64_t modified = date_field(h, FIELD_LAST_MODIFIED, received);

    if (head_field(h, FIELD_ETAG) && field_value(head_field(h, FIELD_ETAG)).n > 0)
        out->flags |= REUSE_ETAG;
    if (modified > 0 && modified <= UINT32_MAX) {
        out->flags |= REUSE_MODIFIED;
        out->modified = (uint32_t)modified;
    }
    if (!obey)
        return;
    if (cc->public_ || cc->must_revalidate || cc->s_maxage != FRESHNESS_UNSET)
        out->flags |= REUSE_AUTHORIZED; /* RFC 9111 section 3.5 */
    if (cc->no_cache)
        out->flags |= REUSE_VALIDATE;
    if (cc->must_revalidate || cc->proxy_revalidate)
        out->flags |= REUSE_STRICT;
    if (cc->s_maxage != FRESHNESS_UNSET || cc->s_maxage_invalid)
        out->flags |= REUSE_SHARED;
    if (cc->immutable)
        out->flags |= REUSE_IMMUTABLE;
    out->stale_while = cc->stale_while_revalidate > 0 ? cc->stale_while_revalidate : 0;
    out->stale_error = cc->stale_if_error > 0 ? cc->stale_if_error : 0;
    out->without[0] = cc->no_cache_fields ? cc->no_cache_names : slice_of(NULL, 0);
    out->without[1] = cc->private_fields ? cc->private_names : slice_of(NULL, 0);
}

static bool useful(const struct storable *s)
{
    if (s->flags & REUSE_VALIDATORS)
        return true;
    return !(s->flags & REUSE_VALIDATE) &&
           (s->lifetime > s->age || s->stale_while > 0 || s->stale_error > 0);
}

void storable_judge(const struct head *response, const struct storable_rules *rules,
                    int64_t requested, int64_t received, struct storable *out)
{
    struct cache_control cc;
    bool targeted = rules->obey && targeted_directives(response, &cc);

    if (!targeted)
        freshness_directives(response, &cc);
    *out = (struct storable){ 0 };
    set_flags(response, &cc, rules->obey, received, out);
    out->refusal = status_refusal(response->status, &cc, rules->obey);
    if (!out->refusal)
        out->refusal = owner_refusal(response, rules, &cc, out);
    if (out->refusal)
        return;
    if (!rules->obey) {
        out->lifetime = rules->ttl;
        out->from = REUSE_FROM_TTL;
    } else {
        out->age = freshness_initial_age(response, requested, received);
        if (!set_freshness(response, rules, &cc, targeted, received, out))
            out->refusal = "no freshness is stated";
    }
    if (!out->refusal && !useful(out))
        out->refusal = "response is stale on arrival";
    set_keep(rules, out);
}

static uint32_t clamp(int64_t n)
{
    return n < 0 ? 0 : n > UINT32_MAX ? UINT32_MAX : (uint32_t)n;
}

void storable_meta(const struct storable *s, int64_t received, struct cache_meta *out)
{
    out->stored = received;
    out->keep_until = received + s->keep;
    out->initial_age = clamp(s->age);
    out->fresh_for = clamp(s->lifetime);
    out->stale_while = clamp(s->stale_while);
    out->stale_error = clamp(s->stale_error);
    out->modified = s->modified;
    out->flags = s->flags | (uint32_t)s->from << REUSE_FROM_SHIFT;
}

bool storable_field(const struct storable *s, const struct field *f)
{
    if (f->drop || (field_flags((enum field_id)f->id) & FIELD_HOP))
        return false;
    if (f->id == FIELD_CONTENT_LENGTH || f->id == FIELD_AGE)
        return false;
    if (slice_equal_nocase(slice_of(f->name, f->name_n), SLICE("Proxy-Authentication-Info")))
        return false; /* RFC 9111 section 3.1 */
    return !excluded(s, slice_of(f->name, f->name_n));
}
