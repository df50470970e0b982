/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values are compared in a normal form that means the same to every origin: no space around commas
 * outside quotes, and lower case for the three fields whose values have no case. The order of a
 * list is left alone: for languages of equal weight it says what is preferred.
 */
#include "worker/http/vary.h"
#include "conf/fnv.h"
#include "worker/http/build.h"
#include "worker/http/field.h"

static bool listed(struct slice names, struct slice name)
{
    while (names.n)
        if (slice_equal_nocase(field_cut(&names, ','), name))
            return true;
    return false;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static int compare(struct slice a, struct slice b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int order = memcmp(a.p, b.p, n);
    return order ? order : a.n < b.n ? -1 : a.n > b.n;
}

/* Puts a name into the sorted list out[0..n). Returns the new length, -1: no room. */
static ptrdiff_t insert(char *out, size_t n, struct slice name)
{
    char text[VARY_NAMES_MAX];
    size_t at = 0;

    if (n + name.n + 1 > VARY_NAMES_MAX)
        return -1;
    for (size_t i = 0; i < name.n; i++)
        text[i] = lower(name.p[i]);
    struct slice rest = slice_of(out, n);
    while (rest.n) {
        if (compare(field_cut(&rest, ','), slice_of(text, name.n)) > 0)
            break;
        at = (size_t)(rest.p - out);
    }
    if (at == n) { /* at the end */
        if (n > 0)
            out[n++] = ',';
        memcpy(out + n, text, name.n);
        return (ptrdiff_t)(n + name.n);
    }
    memmove(out + at + name.n + 1, out + at, n - at);
    memcpy(out + at, text, name.n);
    out[at + name.n] = ',';
    return (ptrdiff_t)(n + name.n + 1);
}

ptrdiff_t vary_names(const struct head *response, struct slice names, char out[VARY_NAMES_MAX])
{
    ptrdiff_t n = (ptrdiff_t)names.n;

    if (names.n > VARY_NAMES_MAX)
        return -1;
    if (names.n)
        memmove(out, names.p, names.n);
    for (const struct field *f = head_field(response, FIELD_VARY); f; f = head_next(response, f)) {
        struct slice rest = field_value(f);
        while (rest.n && n >= 0) {
            struct slice name = field_trim(field_cut(&rest, ','));
            if (name.n && !listed(slice_of(out, (size_t)n), name))
                n = insert(out, (size_t)n, name);
        }
    }
    return n;
}

static bool has_no_case(struct slice name)
{
    return slice_equal(name, SLICE("accept-encoding")) ||
           slice_equal(name, SLICE("accept-language")) ||
           slice_equal(name, SLICE("accept-charset"));
}

/* An escaped quote would be taken for the end of a quoted string: such a value stays as it is. */
static bool can_be_cut(struct slice value)
{
    return !memchr(value.p, '\\', value.n);
}

char *vary_line(char *to, const char *end, struct slice name, struct slice value)
{
    bool fold = has_no_case(name), first = true;

    if (name.n + value.n + 5 > (size_t)(end - to))
        return NULL;
    *to++ = value.p ? ':' : '!';
    to = build_slice(to, name);
    to = build_slice(to, SLICE(": "));
    if (value.n && !can_be_cut(value)) {
        to = build_slice(to, value);
        value.n = 0;
    }
    while (value.n) {
        struct slice member = field_trim(field_cut(&value, ','));
        if (!first)
            *to++ = ',';
        first = false;
        for (size_t i = 0; i < member.n; i++)
            *to++ = fold ? lower(member.p[i]) : member.p[i];
    }
    return build_slice(to, SLICE("\r\n"));
}

void vary_slots(struct slice snapshot, uint8_t slots[2])
{
    uint64_t h = fnv_bytes(FNV_BEGIN, snapshot.p, snapshot.n);

    h ^= h >> 32;
    slots[0] = (uint8_t)h;
    slots[1] = (uint8_t)(h >> 16);
}
