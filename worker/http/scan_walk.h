/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The walk over field lines, included once by each engine after it has defined INLINE, ENGINE,
 * skip_token and skip_value: compiled per engine, so that the skips are inlined into one loop
 * without a call per line.
 */
#ifndef INLINE
#error "scan_walk.h belongs into an engine"
#endif

/* What stands at q where a line end is due. */
INLINE int line_end(const char *q, const char *end, int otherwise)
{
    if (q == end)
        return HEAD_MORE;
    if (*q == '\n')
        return -HEAD_POS_BARE_LF;
    if (*q != '\r')
        return otherwise;
    if (end - q < 2)
        return HEAD_MORE;
    return q[1] == '\n' ? 2 : -HEAD_POS_BARE_CR;
}

/* q: the end of what could be a name at p, not a colon behind a name. */
INLINE int name_error(const char *p, const char *q, const char *end)
{
    if (q == end)
        return HEAD_MORE;
    if (p == q && (*q == ' ' || *q == '\t'))
        return -HEAD_POS_OBS_FOLD;
    int e = line_end(q, end, -HEAD_POS_FIELD_NAME);
    return e == 2 ? -HEAD_POS_FIELD_NAME : e;
}

INLINE bool blank(char c)
{
    return c == ' ' || c == '\t';
}

ENGINE static int scan_lines(const char *low, const char *p, const char *end, struct head *h)
{
    const char *begin = p;
    struct field *f = h->fields;
    (void)low;
    for (;; f++) {
        const char *q = skip_token(p, end);
        if (q == end)
            return HEAD_MORE;
        if (*q != ':' || q == p) {
            if (q != p || *q != '\r')
                return name_error(p, q, end);
            int e = line_end(q, end, 0);
            h->fields_n = (uint16_t)(f - h->fields);
            return e == 2 ? (int)(q + 2 - begin) : e;
        }
        if (f == h->fields + HEAD_FIELDS_MAX)
            return -HEAD_POS_TOO_MANY_FIELDS;
        if (q - p > UINT16_MAX)
            return -HEAD_POS_FIELD_NAME;
        f->name = p;
        f->name_n = (uint16_t)(q - p);
        f->drop = 0;
        for (p = q + 1; p < end && blank(*p); p++)
            ;
        q = skip_value(p, end);
        int e = line_end(q, end, -HEAD_POS_FIELD_VALUE);
        if (e != 2)
            return e;
        const char *last = q;
        while (last > p && blank(last[-1]))
            last--;
        f->value = p;
        f->value_n = (uint32_t)(last - p);
        p = q + 2;
    }
}
