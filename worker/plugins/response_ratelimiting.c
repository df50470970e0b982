/* SPDX-License-Identifier: Apache-2.0 */
/*
 * response-ratelimiting: the upstream says in its response how much of what a request has used.
 * Counters in shared memory: the first of each is reserved like a request of rate-limiting, all
 * names and periods or none, so that no two workers let one too many pass; the rest of what was
 * used is then counted whatever it is, for it has been used. In a Redis, as in Kong: what is left
 * is read before the request goes upstream, and decides; what was used is added without waiting.
 * Texts and names of fields are Kong's.
 */
#include "conf/plugins/plugin_response_ratelimiting.h"
#include "shm/limits.h"
#include "worker/base/log.h"
#include "worker/http/field.h"
#include "worker/note.h"
#include "worker/plugins/counted.h"
#include "worker/plugins/plugins.h"
#include "worker/redis/redis_limits.h"

_Static_assert((int)LIMIT_BY_PERIODS == (int)CALENDAR_UNITS, "one limit a unit");

enum { LINES = 16 };

static int make_claims(struct stream *s, const struct conf_response_limit *l,
                       struct counted counted, uint32_t cost,
                       struct limits_claim claims[CALENDAR_UNITS])
{
    uint64_t key = limits_key(stream_limits(s), counted_scope(l->scope, counted), counted.who.p,
                              counted.who.n);
    int n = 0;

    for (int unit = 0; unit < CALENDAR_UNITS; unit++)
        if (l->limits[unit])
            claims[n++] = (struct limits_claim){ .key = key,
                                                 .unit = (enum calendar_unit)unit,
                                                 .limit = (uint32_t)l->limits[unit],
                                                 .cost = cost };
    return n;
}

/* --- what the upstream says ----------------------------------------------------------------- */

/* Digits, at most what a counter can hold. */
static bool read_number(struct slice text, uint32_t *number)
{
    uint64_t n = 0;

    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] < '0' || text.p[i] > '9')
            return false;
        n = n * 10 + (uint64_t)(text.p[i] - '0');
        n = n < INT32_MAX ? n : INT32_MAX;
    }
    *number = (uint32_t)n;
    return text.n > 0;
}

/* How much of that name; what is no number counts for nothing, and the last one holds. */
static uint32_t used_of(struct slice name, const struct slice *values, size_t values_n)
{
    uint32_t used = 0;

    for (size_t i = 0; i < values_n; i++) {
        struct slice rest = values[i], part;
        while (field_list_next(&rest, &part)) {
            const char *sign = memchr(part.p, '=', part.n);
            if (!sign || !slice_equal(field_trim(slice_of(part.p, (size_t)(sign - part.p))), name))
                continue;
            size_t n = (size_t)(part.p + part.n - sign - 1);
            uint32_t number;
            used = read_number(field_trim(slice_of(sign + 1, n)), &number) ? number : 0;
        }
    }
    return used;
}

/* --- claims --------------------------------------------------------------------------------- */

/* All names and periods, in the order of the configuration; NULL: no memory. */
static struct limits_claim *make_all(struct stream *s, const struct conf_response_ratelimiting *c)
{
    struct counted counted = counted_as(s, &c->counted);
    struct limits_claim *claims = arena_take(stream_arena(s), c->windows_n * sizeof *claims);
    int n = 0;

    for (size_t i = 0; claims && i < c->limits_n; i++)
        n += make_claims(s, &c->limits[i], counted, 0, claims + n);
    return claims;
}

static int periods_of(const struct conf_response_limit *l)
{
    int n = 0;

    for (int unit = 0; unit < CALENDAR_UNITS; unit++)
        n += l->limits[unit] > 0;
    return n;
}

static uint32_t least_of(const struct limits_claim *claims, int n)
{
    uint32_t least = UINT32_MAX;

    for (int i = 0; i < n; i++)
        least = claims[i].left < least ? claims[i].left : least;
    return least;
}

/* --- before it goes upstream ---------------------------------------------------------------- */

static void tell(struct stream *s, const struct conf_response_ratelimiting *c,
                 const struct conf_response_limit *l, const struct limits_claim *claims, int n)
{
    for (int i = 0; i < n && !c->hide_client_headers; i++) {
        enum calendar_unit unit = claims[i].unit;
        stream_set_response_number(s, slice_text(l->fields[unit].limit), claims[i].limit);
        stream_set_response_number(s, slice_text(l->fields[unit].remaining), claims[i].left);
    }
}

/* All claims say what is left; `sure`: and nobody else may know better. */
static enum stage_result admit(struct stream *s, const struct conf_response_ratelimiting *c,
                               const struct limits_claim *claims, bool sure)
{
    for (size_t i = 0; i < c->limits_n; i++) {
        const struct conf_response_limit *l = &c->limits[i];
        int n = periods_of(l);
        uint32_t left = least_of(claims, n);
        if (left == 0 && c->block_on_first_violation)
            return stream_answer(s, 429, l->refusal.s);
        struct slice text = arena_print(stream_arena(s), "%u", left);
        if (!sure)
            stream_drop_upstream(s, slice_text(l->remaining));
        else if (text.p)
            stream_set_upstream(s, slice_text(l->remaining), text);
        if (sure)
            tell(s, c, l, claims, n);
        claims += n;
    }
    return STAGE_NEXT;
}

/* By the counters of this machine. */
static enum stage_result ask_here(struct stream *s, const struct conf_response_ratelimiting *c,
                                  bool sure)
{
    struct limits_claim *claims = make_all(s, c);

    if (!claims)
        return stream_answer(s, 500, "An unexpected error occurred");
    (void)limits_would(stream_limits(s), claims, (int)c->windows_n, stream_now_ms(s));
    return admit(s, c, claims, sure);
}

/* --- counting ------------------------------------------------------------------------------- */

static void give_back(struct stream *s, const struct conf_response_ratelimiting *c, size_t names,
                      struct counted counted, const uint32_t *used)
{
    struct limits_claim claims[CALENDAR_UNITS];

    for (size_t i = 0; i < names; i++)
        if (used[i])
            limits_give(stream_limits(s), claims, make_claims(s, &c->limits[i], counted, 1, claims),
                        stream_now_ms(s));
}

/* One of each name that was used. The number of a name that has none left, or limits_n. */
static size_t reserve(struct stream *s, const struct conf_response_ratelimiting *c,
                      struct counted counted, const uint32_t *used)
{
    struct limits_claim claims[CALENDAR_UNITS];

    for (size_t i = 0; i < c->limits_n; i++) {
        int n = used[i] ? make_claims(s, &c->limits[i], counted, 1, claims) : 0;
        if (n == 0 || limits_take(stream_limits(s), claims, n, stream_now_ms(s)))
            continue;
        give_back(s, c, i, counted, used);
        return i;
    }
    return c->limits_n;
}

static void count(struct stream *s, const struct conf_response_ratelimiting *c,
                  struct counted counted, const uint32_t *used, bool sure)
{
    struct limits_claim claims[CALENDAR_UNITS];
    int n;

    for (size_t i = 0; i < c->limits_n; i++) {
        if (!used[i])
            continue;
        n = make_claims(s, &c->limits[i], counted, 0, claims);
        for (int k = 0; k < n && used[i] > 1; k++)
            limits_settle(stream_limits(s), &claims[k], stream_now_ms(s), used[i] - 1, 0);
        if (!sure)
            continue;
        (void)limits_would(stream_limits(s), claims, n, stream_now_ms(s));
        tell(s, c, &c->limits[i], claims, n);
    }
}

/* The number of a name that has none left, or limits_n. */
static size_t count_here(struct stream *s, const struct conf_response_ratelimiting *c,
                         const uint32_t *used, bool sure)
{
    struct counted counted = counted_as(s, &c->counted);
    size_t over = reserve(s, c, counted, used);

    if (over == c->limits_n)
        count(s, c, counted, used, sure);
    return over;
}

/* --- counters in Redis ---------------------------------------------------------------------- */

/* What the access phase found out. */
struct reading {
    struct limits_claim *claims; /* what was left then; NULL: Redis did not answer */
};

/* Shared memory counts along, for the time when Redis does not answer. */
static void mirror(struct stream *s, const struct limits_claim *claim)
{
    uint32_t used = claim->limit - claim->left;

    if (used)
        limits_settle(stream_limits(s), claim, stream_now_ms(s), 0, used);
}

static bool keep(struct stream *s, const struct conf_response_ratelimiting *c,
                 struct limits_claim *claims)
{
    struct reading *reading = arena_take(stream_arena(s), sizeof *reading);

    if (reading)
        *reading = (struct reading){ claims };
    return reading && note_keep(s, c, reading);
}

/* Redis cannot be asked: this machine counts for itself, and says nothing of what is left, which
 * nobody knows. */
static enum stage_result do_without(struct stream *s, const struct conf_response_ratelimiting *c)
{
    if (!c->fault_tolerant || !keep(s, c, NULL))
        return stream_answer(s, 500, "An unexpected error occurred");
    return ask_here(s, c, false);
}

/* The answer has come, or the stream was woken for something else. */
static enum stage_result go_on(struct stream *s, const struct conf_response_ratelimiting *c,
                               struct redis_claims *asked)
{
    if (asked->verdict == REDIS_WAITS)
        return stream_await(s, &asked->wait);
    stream_awaited_end(s);
    if (asked->verdict == REDIS_SILENT || !keep(s, c, asked->claims))
        return do_without(s, c);
    for (int i = 0; i < asked->n; i++)
        mirror(s, &asked->claims[i]);
    return admit(s, c, asked->claims, true);
}

/* False: no memory. The usage has room for all claims, and none yet. */
static bool describe(struct stream *s, const struct conf_response_ratelimiting *c,
                     struct redis_usage *usage, struct slice **names)
{
    *names = arena_take(stream_arena(s), c->windows_n * sizeof **names);
    *usage = (struct redis_usage){
        .claims = arena_take(stream_arena(s), c->windows_n * sizeof *usage->claims), .names = *names
    };
    return *names && usage->claims &&
           counted_abroad(s, &c->counted, c->id, &usage->scope, &usage->who);
}

static enum stage_result ask_redis(struct stream *s, const struct conf_response_ratelimiting *c)
{
    struct redis_claims *asked = (struct redis_claims *)stream_awaited(s);
    struct counted counted = counted_as(s, &c->counted);
    struct redis_usage usage;
    struct slice *names;

    if (asked)
        return go_on(s, c, asked);
    if (!describe(s, c, &usage, &names))
        return do_without(s, c);
    for (size_t i = 0; i < c->limits_n; i++)
        for (int n = make_claims(s, &c->limits[i], counted, 0, usage.claims + usage.n); n > 0; n--)
            names[usage.n++] = slice_text(c->limits[i].name);
    asked = redis_limits_read(s, c->redis, &usage);
    return asked ? go_on(s, c, asked) : do_without(s, c);
}

/* Of what the response used, what was left when the request came decides; the number of a name that
 * had nothing, or limits_n. */
static size_t find_over(const struct conf_response_ratelimiting *c,
                        const struct limits_claim *claims, const uint32_t *used)
{
    for (size_t i = 0; i < c->limits_n; i++) {
        int n = periods_of(&c->limits[i]);
        if (used[i] && least_of(claims, n) == 0)
            return i;
        claims += n;
    }
    return c->limits_n;
}

/* What was left is less by what was used. */
static void use_up(struct stream *s, struct limits_claim *claims, int n, uint32_t used)
{
    for (int i = 0; i < n; i++) {
        claims[i].cost = used;
        claims[i].left = claims[i].left > used ? claims[i].left - used : 0;
        limits_settle(stream_limits(s), &claims[i], stream_now_ms(s), used, 0);
    }
}

/* `claims`: of all names, as they were read; `sure`: they were. */
static void add_to_redis(struct stream *s, const struct conf_response_ratelimiting *c,
                         struct limits_claim *claims, const uint32_t *used, bool sure)
{
    struct redis_usage usage;
    struct slice *names;
    bool described = describe(s, c, &usage, &names);

    for (size_t i = 0; i < c->limits_n; i++) {
        int n = periods_of(&c->limits[i]);
        if (used[i])
            use_up(s, claims, n, used[i]);
        for (int k = 0; used[i] && described && k < n; k++) {
            names[usage.n] = slice_text(c->limits[i].name);
            usage.claims[usage.n++] = claims[k];
        }
        if (used[i] && sure)
            tell(s, c, &c->limits[i], claims, n);
        claims += n;
    }
    if (!described || (usage.n && !redis_limits_add(s, c->redis, &usage)))
        log_rarely(LOG_LEVEL_ERROR, "what responses used is not told to a Redis: it is counted in "
                                    "shared memory only");
}

/* The number of a name that has none left, or limits_n. */
static size_t count_in_redis(struct stream *s, const struct conf_response_ratelimiting *c,
                             const uint32_t *used)
{
    const struct reading *reading = note_kept(s, c);
    struct limits_claim *claims = reading ? reading->claims : make_all(s, c);
    size_t over = c->limits_n;

    if (reading && !claims)
        return count_here(s, c, used, false);
    if (reading)
        over = find_over(c, claims, used);
    if (claims && over == c->limits_n) /* nobody asked first where the cache renews what it has */
        add_to_redis(s, c, claims, used, reading != NULL);
    return over;
}

/* -------------------------------------------------------------------------------------------- */

static enum stage_result response_ratelimiting_access(struct stream *s, const void *config)
{
    const struct conf_response_ratelimiting *c = config;

    return c->redis ? ask_redis(s, c) : ask_here(s, c, true);
}

static enum stage_result response_ratelimiting_look(struct stream *s, const void *config)
{
    const struct conf_response_ratelimiting *c = config;

    return c->redis ? STAGE_WAIT : ask_here(s, c, true);
}

static bool uses_any(const uint32_t *used, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (used[i])
            return true;
    return false;
}

static void response_ratelimiting_header_filter(struct stream *s, const void *config)
{
    const struct conf_response_ratelimiting *c = config;
    struct slice values[LINES], name = slice_text(c->header_name);
    uint32_t *used = arena_take(stream_arena(s), (c->limits_n + 1) * sizeof *used);
    size_t n = stream_get_response(s, name, values, LINES);

    if (n > 0)
        stream_drop_response(s, name);
    if (n == 0 || !stream_from_upstream(s) || !used)
        return;
    for (size_t i = 0; i < c->limits_n; i++)
        used[i] = used_of(slice_text(c->limits[i].name), values, n);
    if (!uses_any(used, c->limits_n))
        return;
    size_t over = c->redis ? count_in_redis(s, c, used) : count_here(s, c, used, true);
    if (over != c->limits_n)
        (void)stream_answer(s, 429, c->limits[over].refusal.s);
}

const struct plugin_ops response_ratelimiting_ops = {
    .kind = CONF_PLUGIN_RESPONSE_RATELIMITING,
    .access = response_ratelimiting_access,
    .header_filter = response_ratelimiting_header_filter,
    .effect = "asks Redis what is left",
    .look = response_ratelimiting_look,
};
