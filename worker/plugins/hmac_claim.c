/* SPDX-License-Identifier: Apache-2.0 */
/* One pass from left to right. There are no escapes in quotes: a backslash is a character that none
 * of the four values can have. */
#include "worker/plugins/hmac_claim.h"

static struct slice skip_any(struct slice s, const char *set, size_t set_n)
{
    while (s.n && memchr(set, *s.p, set_n))
        s = slice_from(s, 1);
    return s;
}

/* name="value" off the front. */
static bool take(struct slice *rest, struct slice *name, struct slice *value)
{
    const char *equals = rest->n ? memchr(rest->p, '=', rest->n) : NULL;
    if (!equals)
        return false;
    *name = slice_of(rest->p, (size_t)(equals - rest->p));
    struct slice after = slice_from(*rest, name->n + 1);
    if (after.n == 0 || *after.p != '"')
        return false;
    after = slice_from(after, 1);
    const char *quote = after.n ? memchr(after.p, '"', after.n) : NULL;
    if (!quote)
        return false;
    *value = slice_of(after.p, (size_t)(quote - after.p));
    *rest = slice_from(after, value->n + 1);
    return value->n == 0 || !memchr(value->p, '\\', value->n);
}

static struct slice *place_of(struct hmac_claim *claim, struct slice name)
{
    if (slice_equal(name, SLICE("username")))
        return &claim->username;
    if (slice_equal(name, SLICE("algorithm")))
        return &claim->algorithm;
    if (slice_equal(name, SLICE("headers")))
        return &claim->headers;
    return slice_equal(name, SLICE("signature")) ? &claim->signature : NULL;
}

bool hmac_claim_read(struct slice value, struct hmac_claim *claim)
{
    static const struct slice scheme = { "hmac", 4 };
    struct slice name, text;
    *claim = (struct hmac_claim){ 0 };
    if (value.n <= scheme.n || !slice_equal_nocase(slice_of(value.p, scheme.n), scheme) ||
        value.p[scheme.n] != ' ')
        return false;
    struct slice rest = skip_any(slice_from(value, scheme.n), " \t", 2);
    while (rest.n) {
        if (!take(&rest, &name, &text))
            return false;
        struct slice *place = place_of(claim, name);
        if (place && place->p)
            return false;
        if (place)
            *place = text;
        rest = skip_any(rest, " \t", 2);
        if (rest.n && *rest.p != ',')
            return false;
        rest = skip_any(rest, ", \t", 3);
    }
    return claim->username.n && claim->algorithm.n && claim->headers.n && claim->signature.n;
}

bool hmac_claim_next(struct slice *headers, struct slice *name)
{
    struct slice rest = skip_any(*headers, " ", 1);
    const char *space = rest.n ? memchr(rest.p, ' ', rest.n) : NULL;
    *name = space ? slice_of(rest.p, (size_t)(space - rest.p)) : rest;
    *headers = rest.n ? slice_from(rest, name->n) : slice_of(NULL, 0);
    return name->n > 0;
}

bool hmac_claim_covers(const struct hmac_claim *claim, struct slice name)
{
    struct slice rest = claim->headers, one;
    while (hmac_claim_next(&rest, &one))
        if (slice_equal_nocase(one, name))
            return true;
    return false;
}
