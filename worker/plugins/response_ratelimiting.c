/* SPDX-License-Identifier: Apache-2.0 */
/*
 * response-ratelimiting: the upstream says in its response how much of what a request has used. The
 * first of each is reserved like a request of rate-limiting, all names and periods or none, so that
 * no two workers let one too many pass; the rest of what was used is then counted whatever it is,
 * for it has been used. Texts and names of fields are Kong's.
 */
#include "conf/plugin_response_ratelimiting.h"
#include "shm/limits.h"
#include "worker/http/field.h"
#include "worker/plugins/counted.h"
#include "worker/plugins/plugins.h"

_Static_assert((int)LIMIT_BY_PERIODS == (int)CALENDAR_UNITS, "one limit a unit");

enum { LINES = 16 };

static struct slice text_slice(const struct conf_text *text)
{
    return slice_of(text->s, text->n);
}

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

/* --- telling -------------------------------------------------------------------------------- */

static void tell(struct stream *s, const struct conf_response_ratelimiting *c,
                 const struct conf_response_limit *l, const struct limits_claim *claims, int n)
{
    for (int i = 0; i < n && !c->hide_client_headers; i++) {
        enum calendar_unit unit = claims[i].unit;
        stream_set_response_number(s, text_slice(&l->fields[unit].limit), claims[i].limit);
        stream_set_response_number(s, text_slice(&l->fields[unit].remaining), claims[i].left);
    }
}

/* The claims of a name as they stand, without taking any; returns what is left in all periods. */
static uint32_t look(struct stream *s, const struct conf_response_limit *l, struct counted counted,
                     struct limits_claim claims[CALENDAR_UNITS], int *n)
{
    uint32_t least = UINT32_MAX;

    *n = make_claims(s, l, counted, 0, claims);
    (void)limits_would(stream_limits(s), claims, *n, stream_now_ms(s));
    for (int i = 0; i < *n; i++)
        least = claims[i].left < least ? claims[i].left : least;
    return least;
}

static enum stage_result response_ratelimiting_access(struct stream *s, const void *config)
{
    const struct conf_response_ratelimiting *c = config;
    struct counted counted = counted_as(s, &c->counted);
    struct limits_claim claims[CALENDAR_UNITS];
    int n;

    for (size_t i = 0; i < c->limits_n; i++) {
        const struct conf_response_limit *l = &c->limits[i];
        uint32_t left = look(s, l, counted, claims, &n);
        if (left == 0 && c->block_on_first_violation)
            return stream_answer(s, 429, l->refusal.s);
        struct slice text = arena_print(stream_arena(s), "%u", left);
        if (text.p)
            stream_set_upstream(s, text_slice(&l->remaining), text);
        tell(s, c, l, claims, n);
    }
    return STAGE_NEXT;
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
                  struct counted counted, const uint32_t *used)
{
    struct limits_claim claims[CALENDAR_UNITS];
    int n;

    for (size_t i = 0; i < c->limits_n; i++) {
        if (!used[i])
            continue;
        n = make_claims(s, &c->limits[i], counted, 0, claims);
        for (int k = 0; k < n && used[i] > 1; k++)
            limits_settle(stream_limits(s), &claims[k], stream_now_ms(s), used[i] - 1, 0);
        (void)look(s, &c->limits[i], counted, claims, &n);
        tell(s, c, &c->limits[i], claims, n);
    }
}

static void response_ratelimiting_header_filter(struct stream *s, const void *config)
{
    const struct conf_response_ratelimiting *c = config;
    struct counted counted = counted_as(s, &c->counted);
    struct slice values[LINES], name = text_slice(&c->header_name);
    uint32_t *used = arena_take(stream_arena(s), (c->limits_n + 1) * sizeof *used);
    size_t n = stream_get_response(s, name, values, LINES);

    if (n > 0)
        stream_drop_response(s, name);
    if (n == 0 || !stream_from_upstream(s) || !used)
        return;
    for (size_t i = 0; i < c->limits_n; i++)
        used[i] = used_of(text_slice(&c->limits[i].name), values, n);
    size_t over = reserve(s, c, counted, used);
    if (over == c->limits_n)
        count(s, c, counted, used);
    else
        (void)stream_answer(s, 429, c->limits[over].refusal.s);
}

const struct plugin_ops response_ratelimiting_ops = {
    .kind = CONF_PLUGIN_RESPONSE_RATELIMITING,
    .access = response_ratelimiting_access,
    .header_filter = response_ratelimiting_header_filter,
};
