/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A dictionary of structured fields (RFC 8941 section 3.2), read in one pass: one fault anywhere,
 * or a known directive with a value of the wrong type, and the whole field counts for nothing.
 * Lines are joined by commas as the RFC says, by being read one after the other: a member never
 * spans two.
 */
#include "worker/http/targeted.h"

enum kind { KIND_BOOLEAN, KIND_INTEGER, KIND_STRING, KIND_OTHER };

struct item {
    enum kind kind;
    bool truth;
    int64_t number;
    struct slice text;
};

struct reader {
    const char *p, *end;
};

static bool at(const struct reader *r, char c)
{
    return r->p < r->end && *r->p == c;
}

static bool eat(struct reader *r, char c)
{
    if (!at(r, c))
        return false;
    r->p++;
    return true;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_alpha(char c)
{
    return is_lower((char)(c | 0x20));
}

static bool in(char c, const char *set)
{
    return c != '\0' && strchr(set, c) != NULL;
}

/* --- bare items (RFC 8941 section 3.3) -------------------------------------------------------- */

static bool read_number(struct reader *r, struct item *out)
{
    bool minus = eat(r, '-');
    size_t digits = 0, fraction = 0;

    for (; r->p < r->end && is_digit(*r->p) && digits < 16; r->p++, digits++)
        out->number = out->number * 10 + (*r->p - '0');
    out->number = minus ? -out->number : out->number;
    out->kind = KIND_INTEGER;
    if (digits == 0 || digits > 15)
        return false;
    if (!eat(r, '.'))
        return true;
    out->kind = KIND_OTHER;
    for (; r->p < r->end && is_digit(*r->p); r->p++)
        fraction++;
    return digits <= 12 && fraction >= 1 && fraction <= 3;
}

static bool read_string(struct reader *r, struct item *out)
{
    out->kind = KIND_STRING;
    r->p++;
    const char *begin = r->p;
    for (; r->p < r->end && *r->p != '"'; r->p++) {
        if (*r->p == '\\' && (++r->p == r->end || !in(*r->p, "\"\\")))
            return false;
        if ((unsigned char)*r->p < 0x20 || (unsigned char)*r->p > 0x7e)
            return false;
    }
    out->text = slice_of(begin, (size_t)(r->p - begin));
    return eat(r, '"');
}

static bool read_bytes(struct reader *r, struct item *out)
{
    out->kind = KIND_OTHER;
    for (r->p++; r->p < r->end && *r->p != ':'; r->p++)
        if (!is_alpha(*r->p) && !is_digit(*r->p) && !in(*r->p, "+/="))
            return false;
    return eat(r, ':');
}

static bool read_token(struct reader *r, struct item *out)
{
    out->kind = KIND_OTHER;
    while (r->p < r->end && (is_alpha(*r->p) || is_digit(*r->p) || in(*r->p, "!#$%&'*+-.^_`|~:/")))
        r->p++;
    return true;
}

static bool read_bare(struct reader *r, struct item *out)
{
    if (r->p == r->end)
        return false;
    if (*r->p == '-' || is_digit(*r->p))
        return read_number(r, out);
    if (*r->p == '"')
        return read_string(r, out);
    if (*r->p == ':')
        return read_bytes(r, out);
    if (*r->p == '*' || is_alpha(*r->p))
        return read_token(r, out);
    if (!eat(r, '?') || r->p == r->end || !in(*r->p, "01"))
        return false;
    out->kind = KIND_BOOLEAN;
    out->truth = *r->p++ == '1';
    return true;
}

static bool read_key(struct reader *r, struct slice *key)
{
    const char *begin = r->p;

    if (r->p == r->end || (!is_lower(*r->p) && *r->p != '*'))
        return false;
    while (r->p < r->end && (is_lower(*r->p) || is_digit(*r->p) || in(*r->p, "_-.*")))
        r->p++;
    *key = slice_of(begin, (size_t)(r->p - begin));
    return true;
}

/* ";key=value" behind an item: checked and forgotten. */
static bool skip_parameters(struct reader *r)
{
    while (eat(r, ';')) {
        struct slice key;
        struct item item = { 0 };
        while (eat(r, ' '))
            ;
        if (!read_key(r, &key) || (eat(r, '=') && !read_bare(r, &item)))
            return false;
    }
    return true;
}

static bool read_list(struct reader *r, struct item *out)
{
    r->p++;
    for (;;) {
        struct item item = { 0 };
        while (eat(r, ' '))
            ;
        if (eat(r, ')'))
            break;
        if (!read_bare(r, &item) || !skip_parameters(r) || (!at(r, ' ') && !at(r, ')')))
            return false;
    }
    out->kind = KIND_OTHER;
    return true;
}

static bool read_member(struct reader *r, struct slice *key, struct item *out)
{
    *out = (struct item){ .kind = KIND_BOOLEAN, .truth = true };
    if (!read_key(r, key))
        return false;
    if (eat(r, '=')) {
        *out = (struct item){ 0 };
        if (!(at(r, '(') ? read_list(r, out) : read_bare(r, out)))
            return false;
    }
    return skip_parameters(r);
}

/* --- directives ------------------------------------------------------------------------------- */

struct number {
    struct slice name;
    size_t offset;
};

/* True: it is one of these. False with *good false: of the wrong type. */
static bool take_number(struct slice key, const struct item *item, struct cache_control *out,
                        bool *good)
{
    static const struct number table[] = {
        { SLICE("max-age"), offsetof(struct cache_control, max_age) },
        { SLICE("s-maxage"), offsetof(struct cache_control, s_maxage) },
        { SLICE("stale-while-revalidate"), offsetof(struct cache_control, stale_while_revalidate) },
        { SLICE("stale-if-error"), offsetof(struct cache_control, stale_if_error) },
    };

    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (!slice_equal(key, table[i].name))
            continue;
        *good = item->kind == KIND_INTEGER && item->number >= 0;
        int64_t most = (int64_t)1 << 31;
        *(int64_t *)(void *)((char *)out + table[i].offset) =
            item->number < most ? item->number : most;
        return true;
    }
    return false;
}

static bool take_flag(struct slice key, const struct item *item, struct cache_control *out)
{
    static const struct number table[] = {
        { SLICE("no-store"), offsetof(struct cache_control, no_store) },
        { SLICE("no-cache"), offsetof(struct cache_control, no_cache) },
        { SLICE("private"), offsetof(struct cache_control, private_) },
        { SLICE("public"), offsetof(struct cache_control, public_) },
        { SLICE("must-revalidate"), offsetof(struct cache_control, must_revalidate) },
        { SLICE("proxy-revalidate"), offsetof(struct cache_control, proxy_revalidate) },
        { SLICE("must-understand"), offsetof(struct cache_control, must_understand) },
        { SLICE("immutable"), offsetof(struct cache_control, immutable) },
        { SLICE("no-transform"), offsetof(struct cache_control, no_transform) },
    };

    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (!slice_equal(key, table[i].name))
            continue;
        /* no-cache and private with names: the whole response, to be on the safe side */
        bool *to = (bool *)((char *)out + table[i].offset);
        *to = item->kind == KIND_BOOLEAN ? item->truth : true;
        return true;
    }
    return false;
}

static bool read_line(struct slice line, struct cache_control *out, bool *any)
{
    struct reader r = { line.p, line.p + line.n };

    while (r.p < r.end) {
        struct slice key;
        struct item item;
        bool good = true;
        if (!read_member(&r, &key, &item))
            return false;
        *any = true;
        if (!take_number(key, &item, out, &good))
            (void)take_flag(key, &item, out);
        while (at(&r, ' ') || at(&r, '\t'))
            r.p++;
        if (!good || (r.p < r.end && !eat(&r, ',')))
            return false;
        const char *comma = r.p;
        while (at(&r, ' ') || at(&r, '\t'))
            r.p++;
        if (r.p == r.end && comma > line.p && comma[-1] == ',')
            return false; /* a comma at the end */
    }
    return true;
}

bool targeted_directives(const struct head *response, struct cache_control *out)
{

    bool any = false;

    const struct field *f = head_field(response, FIELD_CDN_CACHE_CONTROL);
    if (!f)
        return false;
    freshness_clear(out);
    for (; f; f = head_next(response, f)) {

        if (!read_line(field_value(f), out, &any))
            return false;
    }
    out->any = any;
    return any;
}
