/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cache-Control (RFC 9111 section 5.2) read as a recipient should: names in any case, values as
 * token or quoted string, what stands inside quotes is never a directive, the first of several
 * wins. A freshness that cannot be read makes a response stale, as section 4.2.1 encourages, and so
 * do a malformed or repeated Expires; an Age that cannot be read is ignored. Numbers saturate at
 * 2^31.
 */
#include "worker/http/freshness.h"
#include "shm/assert.h"
#include "worker/http/date.h"
#include "worker/http/scan.h"

#define SECONDS_MAX ((int64_t)1 << 31)

struct directive {
    struct slice name, value; /* the text between quotes, or the token; p is NULL without "=" */
    bool malformed;           /* something else stands around or behind */
};

/* Digits only; FRESHNESS_UNSET for anything else. */
static int64_t read_seconds(struct slice text)
{
    int64_t n = 0;
    if (text.n == 0)
        return FRESHNESS_UNSET;
    for (size_t i = 0; i < text.n; i++) {
        unsigned digit = (unsigned char)text.p[i] - (unsigned)'0';
        if (digit > 9)
            return FRESHNESS_UNSET;
        n = n * 10 + digit;
        if (n > SECONDS_MAX)
            n = SECONDS_MAX;
    }
    return n;
}

static size_t token_length(struct slice text)
{
    size_t n = 0;
    while (n < text.n && scan_is(text.p[n], SCAN_TOKEN))
        n++;
    return n;
}

/* One member of the list: name, name=token or name="text". */
static struct directive read_directive(struct slice member)
{
    struct directive d = { .name = slice_of(member.p, token_length(member)) };
    struct slice rest = slice_from(member, d.name.n);
    d.malformed = d.name.n == 0;
    if (rest.n == 0 || rest.p[0] != '=') {
        d.malformed |= rest.n != 0;
        return d;
    }
    d.value = slice_from(rest, 1);
    if (d.value.n == 0 || d.value.p[0] != '"') {
        d.malformed |= d.value.n == 0 || token_length(d.value) != d.value.n;
        return d;
    }
    const char *close = memchr(d.value.p + 1, '"', d.value.n - 1);
    const char *end = d.value.p + d.value.n;
    d.malformed |= close != end - 1;
    d.value = slice_of(d.value.p + 1, (size_t)((close ? close : end) - d.value.p - 1));
    return d;
}

static bool is(const struct directive *d, struct slice name)
{
    return slice_equal_nocase(d->name, name);
}

/* A number's directive: false when it is another. The first counts; an unreadable first leaves *out
 * unset. */
static bool numeric(const struct directive *d, struct slice name, int64_t *out, bool *invalid)
{
    if (!is(d, name))
        return false;
    int64_t n = d->malformed ? FRESHNESS_UNSET : read_seconds(d->value);
    if (*out == FRESHNESS_UNSET && !*invalid) {
        *out = n;
        *invalid = n == FRESHNESS_UNSET;
    }
    return true;
}

/* no-cache and private: with names it is about these fields only. What cannot be told apart is the
 * whole response. */
static bool qualified(const struct directive *d, struct slice name, bool *whole, bool *fields,
                      struct slice *names)
{
    if (!is(d, name))
        return false;
    if (d->malformed || d->value.n == 0 || (*fields && !slice_equal(*names, d->value)))
        *whole = true;
    if (*whole) {
        *fields = false;
        *names = slice_of(NULL, 0);
    } else {
        *fields = true;
        *names = d->value;
    }
    return true;
}

static bool numbers(const struct directive *d, struct cache_control *out)
{
    bool ignored = false;
    if (is(d, SLICE("max-stale")) && !d->value.p) {
        out->max_stale_any = true;
        return true;
    }
    return numeric(d, SLICE("max-age"), &out->max_age, &out->max_age_invalid) ||
           numeric(d, SLICE("s-maxage"), &out->s_maxage, &out->s_maxage_invalid) ||
           numeric(d, SLICE("max-stale"), &out->max_stale, &ignored) ||
           numeric(d, SLICE("min-fresh"), &out->min_fresh, &ignored) ||
           numeric(d, SLICE("stale-while-revalidate"), &out->stale_while_revalidate, &ignored) ||
           numeric(d, SLICE("stale-if-error"), &out->stale_if_error, &ignored);
}

struct flag {
    struct slice name;
    size_t offset; /* of the bool in struct cache_control */
};

/* Directives without a value; one that has some all the same still holds (RFC 9111 section 5.2). */
static void flags(const struct directive *d, struct cache_control *out)
{
    static const struct flag table[] = {
        { SLICE("no-store"), offsetof(struct cache_control, no_store) },
        { SLICE("public"), offsetof(struct cache_control, public_) },
        { SLICE("must-revalidate"), offsetof(struct cache_control, must_revalidate) },
        { SLICE("proxy-revalidate"), offsetof(struct cache_control, proxy_revalidate) },
        { SLICE("only-if-cached"), offsetof(struct cache_control, only_if_cached) },
        { SLICE("must-understand"), offsetof(struct cache_control, must_understand) },
        { SLICE("immutable"), offsetof(struct cache_control, immutable) },
        { SLICE("no-transform"), offsetof(struct cache_control, no_transform) },
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        if (is(d, table[i].name))
            *(bool *)((char *)out + table[i].offset) = true;
}

void freshness_clear(struct cache_control *out)
{
    *out = (struct cache_control){
        .max_age = FRESHNESS_UNSET,
        .s_maxage = FRESHNESS_UNSET,
        .max_stale = FRESHNESS_UNSET,
        .min_fresh = FRESHNESS_UNSET,
        .stale_while_revalidate = FRESHNESS_UNSET,
        .stale_if_error = FRESHNESS_UNSET,
    };
}

void freshness_parse(struct slice value, struct cache_control *out)
{
    struct slice member;
    out->any = true;
    while (field_list_next(&value, &member)) {
        struct directive d = read_directive(member);
        if (!numbers(&d, out) &&
            !qualified(&d, SLICE("no-cache"), &out->no_cache, &out->no_cache_fields,
                       &out->no_cache_names) &&
            !qualified(&d, SLICE("private"), &out->private_, &out->private_fields,
                       &out->private_names))
            flags(&d, out);
    }
}

void freshness_directives(const struct head *h, struct cache_control *out)
{
    freshness_clear(out);
    for (const struct field *f = head_field(h, FIELD_CACHE_CONTROL); f; f = head_next(h, f))
        freshness_parse(field_value(f), out);
}

/* The Date field, or `otherwise` when there is none that can be read. */
static int64_t date_of(const struct head *h, int64_t now, int64_t otherwise)
{
    const struct field *f = head_field(h, FIELD_DATE);
    int64_t date = f ? date_parse(field_value(f), now) : -1;
    return date < 0 ? otherwise : date;
}

int64_t freshness_lifetime(const struct head *response, const struct cache_control *cc,
                           int64_t received)
{
    if (cc->s_maxage != FRESHNESS_UNSET || cc->s_maxage_invalid)
        return cc->s_maxage_invalid ? 0 : cc->s_maxage;
    if (cc->max_age != FRESHNESS_UNSET || cc->max_age_invalid)
        return cc->max_age_invalid ? 0 : cc->max_age;
    const struct field *f = head_field(response, FIELD_EXPIRES);
    if (!f)
        return FRESHNESS_UNSET;
    int64_t expires = date_parse(field_value(f), received);
    int64_t date = date_of(response, received, received);
    if (expires < 0 || head_next(response, f) || expires <= date)
        return 0;
    return expires - date;
}

int64_t freshness_initial_age(const struct head *response, int64_t requested, int64_t received)
{
    const struct field *f = head_field(response, FIELD_AGE);
    struct slice member, list = field_value(f);
    int64_t age = field_list_next(&list, &member) ? read_seconds(member) : 0;
    int64_t delay = received > requested ? received - requested : 0;
    int64_t apparent = received - date_of(response, received, received);
    int64_t corrected = (age == FRESHNESS_UNSET ? 0 : age) + delay;
    must(corrected >= 0);
    return apparent > corrected ? apparent : corrected;
}
