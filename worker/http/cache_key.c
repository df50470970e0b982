/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Layout: flags, number of vary values, one big-endian 16-bit length a part (0xffff: absent), then
 * the parts end to end. Lengths in front rather than separators between: nothing to escape or scan
 * on the way of a hit, and the parts of a stored key are slices of it.
 */
#include "worker/http/cache_key.h"
#include "worker/http/uri.h"

enum {
    PARTS_FIXED = 6,
    PARTS_MAX = PARTS_FIXED + CACHE_KEY_VARY_MAX,
    ABSENT = 0xffff,
    NAME_MAX_DECODED = 1024
};
enum { FLAG_QUERY_CHOSEN = 1, FLAG_CASE_FOLDED = 2, FLAG_VARIANT = 4, FLAGS_ALL = 7 };

static size_t table_size(unsigned vary_n)
{
    return 2 + 2 * ((size_t)PARTS_FIXED + vary_n);
}

/* The fixed parts in the order in which a key holds them. */
static void fixed_parts(const struct cache_key_parts *parts, struct slice out[PARTS_FIXED])
{
    out[0] = parts->route_id;
    out[1] = parts->consumer_id;
    out[2] = parts->method;
    out[3] = parts->host;
    out[4] = parts->path;
    out[5] = parts->query;
}

/* Writes one part at *at and its length into the table. False: it does not fit. */
static bool put(struct slice part, unsigned char *length, char **at, const char *end)
{
    if (part.p == NULL) {
        length[0] = length[1] = 0xff;
        return true;
    }
    if (part.n >= ABSENT || part.n > (size_t)(end - *at))
        return false;
    length[0] = (unsigned char)(part.n >> 8);
    length[1] = (unsigned char)part.n;
    memcpy(*at, part.p, part.n);
    *at += part.n;
    return true;
}

ptrdiff_t cache_key_write(const struct cache_key_parts *parts, char *out, size_t cap)
{
    struct slice fixed[PARTS_FIXED];

    if (parts->vary_n > CACHE_KEY_VARY_MAX || cap < table_size(parts->vary_n))
        return -1;
    fixed_parts(parts, fixed);
    out[0] = (char)((parts->query_chosen ? FLAG_QUERY_CHOSEN : 0) |
                    (parts->case_folded ? FLAG_CASE_FOLDED : 0));
    out[1] = (char)parts->vary_n;
    unsigned char *length = (unsigned char *)out + 2;
    char *at = out + table_size(parts->vary_n);
    const char *end = out + cap;
    for (unsigned i = 0; i < PARTS_FIXED; i++, length += 2)
        if (!put(fixed[i], length, &at, end))
            return -1;
    for (unsigned i = 0; i < parts->vary_n; i++, length += 2)
        if (!put(parts->vary[i], length, &at, end))
            return -1;
    return at - out;
}

size_t cache_key_variant(struct slice key, uint64_t salt, uint8_t slot, char *out)
{
    memcpy(out, key.p, key.n);
    out[0] = (char)(out[0] | FLAG_VARIANT);
    memcpy(out + key.n, &salt, sizeof salt);
    out[key.n + sizeof salt] = (char)slot;
    return key.n + CACHE_KEY_VARIANT;
}

size_t cache_key_base(struct slice variant, char *out)
{
    size_t n = variant.n - CACHE_KEY_VARIANT;

    memcpy(out, variant.p, n);
    out[0] = (char)(out[0] & ~FLAG_VARIANT);
    return n;
}

/* The next part of a key that is being read. False: the table says more than there is. */
static bool get(const unsigned char *length, const char **at, const char *end, struct slice *out)
{
    size_t n = (size_t)length[0] << 8 | length[1];

    if (n == ABSENT) {
        *out = (struct slice){ NULL, 0 };
        return true;
    }
    if (n > (size_t)(end - *at))
        return false;
    *out = slice_of(*at, n);
    *at += n;
    return true;
}

bool cache_key_read(const char *key, size_t n, struct cache_key_parts *out)
{
    struct slice parts[PARTS_MAX];

    if (n < 2 || (key[0] & ~FLAGS_ALL) != 0 || (unsigned char)key[1] > CACHE_KEY_VARY_MAX)
        return false;
    unsigned vary_n = (unsigned char)key[1];
    struct slice variant = { NULL, 0 };
    if (key[0] & FLAG_VARIANT) {
        if (n < CACHE_KEY_VARIANT)
            return false;
        n -= CACHE_KEY_VARIANT;
        variant = slice_of(key + n, CACHE_KEY_VARIANT);
    }
    if (n < table_size(vary_n))
        return false;
    const unsigned char *length = (const unsigned char *)key + 2;
    const char *at = key + table_size(vary_n), *end = key + n;
    for (unsigned i = 0; i < PARTS_FIXED + vary_n; i++, length += 2)
        if (!get(length, &at, end, &parts[i]))
            return false;
    if (at != end)
        return false;
    *out = (struct cache_key_parts){ .route_id = parts[0],
                                     .consumer_id = parts[1],
                                     .method = parts[2],
                                     .host = parts[3],
                                     .path = parts[4],
                                     .query = parts[5],
                                     .vary_n = vary_n,
                                     .variant = variant,
                                     .query_chosen = (key[0] & FLAG_QUERY_CHOSEN) != 0,
                                     .case_folded = (key[0] & FLAG_CASE_FOLDED) != 0 };
    memcpy(out->vary, parts + PARTS_FIXED, vary_n * sizeof parts[0]);
    return true;
}

static bool same(struct slice a, struct slice b, bool fold)
{
    return fold ? slice_equal_nocase(a, b) : slice_equal(a, b);
}

/* Whether an upstream would take `name`, as received, for `wanted`. Names too long to decode count
 * as equal: one more pair in a key costs a miss, one too few would mix up two resources. */
static bool same_name(struct slice name, struct slice wanted)
{
    char decoded[NAME_MAX_DECODED];

    if (slice_equal(name, wanted))
        return true;
    if (memchr(name.p, '%', name.n) == NULL && memchr(name.p, '+', name.n) == NULL)
        return false;
    if (name.n > sizeof decoded)
        return true;
    ptrdiff_t n = uri_decode(name, true, decoded, sizeof decoded);
    return n >= 0 && slice_equal(slice_of(decoded, (size_t)n), wanted);
}

/* Whether one of the first n names is that of the pair as well: each pair is taken once. */
static bool taken(struct slice name, const struct conf_texts *names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (same_name(name, slice_of(names->v[i].s, names->v[i].n)))
            return true;
    return false;
}

/* "name=value" as it stands in the query. */
static struct slice whole_pair(struct slice name, struct slice value)
{
    return value.p == NULL ? name : slice_of(name.p, (size_t)(value.p + value.n - name.p));
}

ptrdiff_t cache_key_query(struct slice query, const struct conf_texts *names, char *out, size_t cap)
{
    size_t n = 0;

    for (size_t i = 0; i < names->n; i++) {
        struct slice rest = query, name, value, wanted = { names->v[i].s, names->v[i].n };
        while (rest.p != NULL && uri_query_next(&rest, &name, &value)) {
            struct slice pair = whole_pair(name, value);
            if (!same_name(name, wanted) || taken(name, names, i))
                continue;
            if (pair.n + (n > 0) > cap - n)
                return -1;
            if (n > 0)
                out[n++] = '&';
            memcpy(out + n, pair.p, pair.n);
            n += pair.n;
        }
    }
    return (ptrdiff_t)n;
}

static bool has_pair(struct slice query, struct slice wanted)
{
    struct slice name, value;

    while (query.p != NULL && uri_query_next(&query, &name, &value))
        if (slice_equal(whole_pair(name, value), wanted))
            return true;
    return false;
}

bool cache_key_matches(const struct cache_key_parts *parts, struct slice host, struct slice path,
                       struct slice query)
{
    struct slice name, value, stored = parts->query;

    if (!slice_equal(parts->host, host) || !same(parts->path, path, parts->case_folded))
        return false;
    if (!parts->query_chosen)
        return (stored.p == NULL) == (query.p == NULL) && slice_equal(stored, query);
    while (stored.p != NULL && uri_query_next(&stored, &name, &value))
        if (!has_pair(query, whole_pair(name, value)))
            return false;
    return true;
}
