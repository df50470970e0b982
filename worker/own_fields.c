/* SPDX-License-Identifier: Apache-2.0 */
/* Written once a response into one piece of the arena; all of it is bounded. */
#include "worker/own_fields.h"
#include "worker/http/build.h"
#include "worker/http/date.h"
#include "worker/http/reuse.h"

enum { OWN_MAX = 704 };

struct slice own_fields_cache_status(enum stats_cache status)
{
    static const struct slice names[STATS_CACHE_KINDS] = {
        [STATS_HIT] = { "Hit", 3 },           [STATS_MISS] = { "Miss", 4 },
        [STATS_BYPASS] = { "Bypass", 6 },     [STATS_REFRESH] = { "Refresh", 7 },
        [STATS_STALE] = { "Stale", 5 },       [STATS_REVALIDATED] = { "Revalidated", 11 },
        [STATS_UPDATING] = { "Updating", 8 },
    };

    return names[status];
}

static char *put_forward(char *p, const struct stream *s)
{
    p = build_slice(p, SLICE("; fwd="));
    p = build_slice(p, slice_of(s->cache_forward, strlen(s->cache_forward)));
    if (s->cache_forward_status) {
        p = build_slice(p, SLICE("; fwd-status="));
        p = build_number(p, (uint64_t)s->cache_forward_status);
    }
    bool waited = s->collapse && s->answer == ANSWER_CACHED;
    if (waited && !s->widened)
        p = build_slice(p, SLICE("; collapsed"));
    return s->fill || (waited && s->widened) ? build_slice(p, SLICE("; stored")) : p;
}

static char *put_ttl(char *p, const struct stream *s)
{
    int64_t ttl = s->hit.meta->fresh_for - reuse_age(s->hit.meta, s->w->loop.now.real_s);

    if (s->hit.soft && ttl > 0)
        ttl = 0;
    if (ttl < 0)
        *p++ = '-';
    return build_number(p, (uint64_t)(ttl < 0 ? -ttl : ttl));
}

/* "Cache-Status: gateway; hit; ttl=5", or why the origin was asked and what came of it (RFC 9211).
 */
static char *put_status(char *p, const struct stream *s, struct slice id)
{
    if (s->answer == ANSWER_CACHED && !s->cache_forward) {
        p = put_ttl(build_slice(p, SLICE("Cache-Status: gateway; hit; ttl=")), s);
    } else {
        p = build_slice(p, SLICE("Cache-Status: gateway"));
        if (s->cache_forward)
            p = put_forward(p, s);
        if (s->answer == ANSWER_CACHED)
            p = put_ttl(build_slice(p, SLICE("; ttl=")), s);
    }
    if (id.n) {
        p = build_slice(p, SLICE("; key=\""));
        memcpy(p, id.p, (size_t)CACHE_ID_SIZE * 2);
        p += CACHE_ID_SIZE * 2;
        *p++ = '"';
    }
    if (s->cache_reason) {
        p = build_slice(p, SLICE("; detail=\""));
        p = build_slice(p, slice_of(s->cache_reason, strlen(s->cache_reason)));
        *p++ = '"';
    }
    return build_slice(p, SLICE("\r\n"));
}

static char *put_cache(char *p, const struct stream *s)
{
    const struct conf_proxy_cache *conf = s->cache_config;
    struct slice id = { NULL, 0 };

    if (conf->header_status)
        p = build_field(p, SLICE("X-Cache-Status"), own_fields_cache_status(s->cache_status));
    if (conf->header_key && s->cache_key.p) {
        p = build_slice(p, SLICE("X-Cache-Key: "));
        id = slice_of(p, (size_t)CACHE_ID_SIZE * 2);
        p = build_octets(p, s->cache_id, CACHE_ID_SIZE);
        p = build_slice(p, SLICE("\r\n"));
    }
    if (conf->header_cache_status)
        p = put_status(p, s, id);
    if (s->answer == ANSWER_CACHED && conf->header_age) {
        int64_t age = reuse_age(s->hit.meta, s->w->loop.now.real_s);
        p = build_slice(p, SLICE("Age: "));
        p = build_number(p, age > 0 ? (uint64_t)age : 0);
        p = build_slice(p, SLICE("\r\n"));
    }
    return p;
}

static char *put_ms(char *p, struct slice name, int64_t us)
{
    p = build_slice(p, name);
    p = build_number(p, us > 0 ? (uint64_t)us / 1000 : 0);
    return build_slice(p, SLICE("\r\n"));
}

/* Of the gateway: all the time but what the upstream took. */
static int64_t proxy_us(const struct stream *s)
{
    int64_t all = s->w->loop.now.us - s->head_at;

    return s->up_head ? all - (s->up_head - s->up_began) : all;
}

static char *put_receipts(char *p, struct stream *s)
{
    const struct conf *conf = s->w->conf;

    if (conf->header_upstream_latency && s->up_head)
        p = put_ms(p, SLICE("X-Gateway-Upstream-Latency: "), s->up_head - s->up_began);
    if (conf->header_proxy_latency)
        p = put_ms(p, SLICE("X-Gateway-Proxy-Latency: "), s->head_at ? proxy_us(s) : 0);
    if (conf->header_request_id)
        p = build_field(p, SLICE("X-Gateway-Request-Id"), stream_request_id(s));
    return p;
}

struct slice own_fields(struct stream *s, const struct head *h)
{
    char *start = arena_take(&s->arena, OWN_MAX), *p = start;

    if (!p)
        return (struct slice){ NULL, 0 };
    if (s->answer == ANSWER_OWN)
        p = build_slice(p, SLICE("Server: gateway\r\n"));
    if (s->answer == ANSWER_OWN || (h && !head_field(h, FIELD_DATE))) {
        p = build_slice(p, SLICE("Date: "));
        date_format(s->w->loop.now.real_s, p);
        p = build_slice(p + DATE_LENGTH, SLICE("\r\n"));
    }
    if (s->answer != ANSWER_OWN)
        p = build_slice(p, SLICE("Via: 1.1 gateway\r\n"));
    if (s->cache_asked)
        p = put_cache(p, s);
    p = put_receipts(p, s);
    return slice_of(start, (size_t)(p - start));
}
