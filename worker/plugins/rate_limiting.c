/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rate-limiting: all windows of a request are reserved in one step, before anything of it goes on;
 * a request that one of them refuses uses up none. Header names and texts are Kong's; RateLimit-*
 * speaks of the window that has least left, among equals of the longest. Counters are in shared
 * memory, or in a Redis, whose answer the stream waits for.
 */
#include "conf/plugins/plugin_rate_limiting.h"
#include "shm/limits.h"
#include "worker/base/log.h"
#include "worker/plugins/counted.h"
#include "worker/plugins/plugins.h"
#include "worker/redis/redis_limits.h"

_Static_assert((int)LIMIT_BY_PERIODS == (int)CALENDAR_UNITS, "one limit a unit");

static const struct {
    struct slice limit, remaining;
} names[CALENDAR_UNITS] = {
    [CALENDAR_SECOND] = { { "X-RateLimit-Limit-Second", 24 },
                          { "X-RateLimit-Remaining-Second", 28 } },
    [CALENDAR_MINUTE] = { { "X-RateLimit-Limit-Minute", 24 },
                          { "X-RateLimit-Remaining-Minute", 28 } },
    [CALENDAR_HOUR] = { { "X-RateLimit-Limit-Hour", 22 }, { "X-RateLimit-Remaining-Hour", 26 } },
    [CALENDAR_DAY] = { { "X-RateLimit-Limit-Day", 21 }, { "X-RateLimit-Remaining-Day", 25 } },
    [CALENDAR_MONTH] = { { "X-RateLimit-Limit-Month", 23 }, { "X-RateLimit-Remaining-Month", 27 } },
    [CALENDAR_YEAR] = { { "X-RateLimit-Limit-Year", 22 }, { "X-RateLimit-Remaining-Year", 26 } },
};

static uint64_t key_of(struct stream *s, const struct conf_rate_limiting *c)
{
    struct counted counted = counted_as(s, &c->counted);

    return limits_key(stream_limits(s), counted_scope(c->scope, counted), counted.who.p,
                      counted.who.n);
}

static int make_claims(struct stream *s, const struct conf_rate_limiting *c,
                       struct limits_claim claims[CALENDAR_UNITS])
{
    static const enum limits_shape shapes[] = { [CONF_LIMIT_FIXED] = LIMITS_FIXED,
                                                [CONF_LIMIT_SLIDING] = LIMITS_SLIDING,
                                                [CONF_LIMIT_BUCKET] = LIMITS_BUCKET };
    uint64_t key = key_of(s, c);
    int n = 0;
    for (int unit = 0; unit < CALENDAR_UNITS; unit++)
        if (c->limits[unit])
            claims[n++] = (struct limits_claim){ .key = key,
                                                 .unit = (enum calendar_unit)unit,
                                                 .shape = shapes[c->window_type],
                                                 .limit = (uint32_t)c->limits[unit],
                                                 .burst = (uint32_t)c->burst,
                                                 .cost = 1 };
    return n;
}

static void tell(struct stream *s, const struct limits_claim *claims, int n)
{
    const struct limits_claim *least = &claims[0];
    uint32_t retry = 0;
    for (int i = 0; i < n; i++) {
        stream_set_response_number(s, names[claims[i].unit].limit, claims[i].limit);
        stream_set_response_number(s, names[claims[i].unit].remaining, claims[i].left);
        if (claims[i].left <= least->left)
            least = &claims[i];
        retry = claims[i].retry > retry ? claims[i].retry : retry;
    }
    stream_set_response_number(s, SLICE("RateLimit-Limit"), least->limit);
    stream_set_response_number(s, SLICE("RateLimit-Remaining"), least->left);
    stream_set_response_number(s, SLICE("RateLimit-Reset"), least->reset);
    if (retry)
        stream_set_response_number(s, SLICE("Retry-After"), retry);
}

/* What the counters said; n 0: the client is not told of them. */
static enum stage_result conclude(struct stream *s, const struct conf_rate_limiting *c,
                                  const struct limits_claim *claims, int n, bool granted)
{
    if (!granted && c->dry_run) {
        log_rarely(LOG_LEVEL_NOTICE, "rate-limiting would refuse requests (dry_run)");
        return STAGE_NEXT;
    }
    if (n > 0 && !c->hide_client_headers)
        tell(s, claims, n);
    return granted ? STAGE_NEXT : stream_answer(s, c->error_code, c->error_message.s);
}

/* --- counters in Redis ---------------------------------------------------------------------- */

/* Redis cannot be asked: this machine counts for itself, and says nothing of what is left, which
 * nobody knows. */
static enum stage_result do_without(struct stream *s, const struct conf_rate_limiting *c)
{
    struct limits_claim claims[CALENDAR_UNITS];
    int n = make_claims(s, c, claims);

    if (!c->fault_tolerant && !c->dry_run)
        return stream_answer(s, 500, "An unexpected error occurred");
    return conclude(s, c, claims, 0, limits_take(stream_limits(s), claims, n, stream_now_ms(s)));
}

/* False: no memory. */
static bool describe(struct stream *s, const struct conf_rate_limiting *c,
                     struct limits_claim *claims, struct redis_limits *out)
{
    *out = (struct redis_limits){ .redis = c->redis,
                                  .sync_rate = c->sync_rate,
                                  .claims = claims,
                                  .n = make_claims(s, c, claims) };
    return counted_abroad(s, &c->counted, c->id, &out->scope, &out->who);
}

/* The answer has come, or the stream was woken for something else. */
static enum stage_result go_on(struct stream *s, const struct conf_rate_limiting *c,
                               struct redis_claims *asked)
{
    if (asked->verdict == REDIS_WAITS)
        return stream_await(s, &asked->wait);
    stream_awaited_end(s);
    if (asked->verdict == REDIS_SILENT)
        return do_without(s, c);
    return conclude(s, c, asked->claims, asked->n, asked->verdict == REDIS_GRANTED);
}

static enum stage_result count_in_redis(struct stream *s, const struct conf_rate_limiting *c)
{
    struct redis_claims *asked = (struct redis_claims *)stream_awaited(s);
    struct limits_claim claims[CALENDAR_UNITS];
    struct redis_limits limits;
    bool granted;

    if (asked)
        return go_on(s, c, asked);
    if (!describe(s, c, claims, &limits))
        return do_without(s, c);
    if (c->sync_rate > 0 && redis_limits_take(s, &limits, &granted))
        return conclude(s, c, claims, limits.n, granted);
    asked = redis_limits_ask(s, &limits);
    return asked ? go_on(s, c, asked) : do_without(s, c);
}

static enum stage_result rate_limiting_access(struct stream *s, const void *config)
{
    const struct conf_rate_limiting *c = config;
    struct limits_claim claims[CALENDAR_UNITS];

    if (c->redis)
        return count_in_redis(s, c);
    int n = make_claims(s, c, claims);
    return conclude(s, c, claims, n, limits_take(stream_limits(s), claims, n, stream_now_ms(s)));
}

static enum stage_result rate_limiting_look(struct stream *s, const void *config)
{
    const struct conf_rate_limiting *c = config;
    struct limits_claim claims[CALENDAR_UNITS];

    if (c->redis)
        return STAGE_WAIT;
    int n = make_claims(s, c, claims);
    return conclude(s, c, claims, n, limits_would(stream_limits(s), claims, n, stream_now_ms(s)));
}

const struct plugin_ops rate_limiting_ops = {
    .kind = CONF_PLUGIN_RATE_LIMITING,
    .access = rate_limiting_access,
    .effect = "counts the request",
    .look = rate_limiting_look,
};
