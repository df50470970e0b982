/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ranges that cannot be satisfied are skipped while another can. A request for many or overlapping
 * ranges costs more than the whole body, so that is what it gets (RFC 9110 section 14.2).
 */
#include "worker/http/range.h"
#include "worker/http/build.h"
#include "worker/http/field.h"

/* Digits at the front of *text, at most UINT64_MAX; false: none. */
static bool take_number(struct slice *text, uint64_t *out)
{
    uint64_t number = 0;
    size_t n = 0;

    for (; n < text->n && text->p[n] >= '0' && text->p[n] <= '9'; n++)
        number = number > (UINT64_MAX - 9) / 10 ? UINT64_MAX
                                                : number * 10 + (uint64_t)(text->p[n] - '0');
    if (n > 0)
        *out = number;
    *text = slice_from(*text, n);
    return n > 0;
}

/* One spec. -1: malformed; 0: beyond the body; 1: *out. */
static int read_spec(struct slice spec, uint64_t size, struct range *out)
{
    uint64_t first = 0, last = UINT64_MAX;
    bool has_first = take_number(&spec, &first);

    if (spec.n == 0 || *spec.p != '-')
        return -1;
    spec = slice_from(spec, 1);
    bool has_last = take_number(&spec, &last);
    if (spec.n > 0 || (!has_first && !has_last) || (has_first && has_last && last < first))
        return -1;
    if (!has_first) { /* the last so many bytes */
        uint64_t n = last < size ? last : size;
        *out = (struct range){ size - n, n };
        return n > 0;
    }
    if (first >= size)
        return 0;
    if (!has_last || last >= size)
        last = size - 1;
    *out = (struct range){ first, last - first + 1 };
    return 1;
}

static bool overlaps(const struct range *ranges, int n, const struct range *r)
{
    for (int i = 0; i < n; i++)
        if (r->from < ranges[i].from + ranges[i].n && ranges[i].from < r->from + r->n)
            return true;
    return false;
}

int range_parse(struct slice value, uint64_t size, struct range out[RANGE_MAX])
{
    int n = 0, specs = 0;

    if (value.n < 6 || !slice_equal_nocase(slice_of(value.p, 6), SLICE("bytes=")))
        return 0;
    struct slice rest = slice_from(value, 6), spec;
    while (field_list_next(&rest, &spec)) {
        struct range range;
        int verdict = read_spec(spec, size, &range);
        if (verdict < 0 || ++specs > RANGE_MAX)
            return 0;
        if (verdict == 0)
            continue;
        if (overlaps(out, n, &range))
            return 0;
        out[n++] = range;
    }
    return n > 0 ? n : specs > 0 ? -1 : 0;
}

char *range_field(char *to, const struct range *range, uint64_t size)
{
    to = build_slice(to, SLICE("Content-Range: bytes "));
    if (range) {
        to = build_number(to, range->from);
        *to++ = '-';
        to = build_number(to, range->from + range->n - 1);
    } else {
        *to++ = '*';
    }
    *to++ = '/';
    to = build_number(to, size);
    return build_slice(to, SLICE("\r\n"));
}

char *range_part(char *to, const char *boundary, struct slice type, const struct range *range,
                 uint64_t size)
{
    to = build_slice(to, SLICE("\r\n--"));
    to = build_slice(to, slice_of(boundary, RANGE_BOUNDARY));
    if (!range)
        return build_slice(to, SLICE("--\r\n"));
    to = build_slice(to, SLICE("\r\n"));
    if (type.n)
        to = build_field(to, SLICE("Content-Type"), type);
    to = range_field(to, range, size);
    return build_slice(to, SLICE("\r\n"));
}
