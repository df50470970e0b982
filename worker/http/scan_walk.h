/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The walk over field lines, included once by each engine after it has defined INLINE, ENGINE,
 * skip_token and skip_value: compiled per engine, so that the skips are inlined into one loop
 * without a call per line. A skip moves *p to the first byte that stops it and returns true, or
 * returns false at the end.
 */
#ifndef INLINE
#error "scan_walk.h belongs into an engine"
#endif

INLINE bool is_crlf(const char *q, const char *end)
{
    return end - q >= 2 && q[0] == '\r' && q[1] == '\n';
}

/* q, before end, is not the CR LF that is due: why, or HEAD_MORE. */
ENGINE static int line_error(const char *q, const char *end, int otherwise)
{
    if (*q == '\n')
        return -HEAD_POS_BARE_LF;
    if (*q != '\r')
        return otherwise;
    return end - q < 2 ? HEAD_MORE : -HEAD_POS_BARE_CR;
}

/* q, before end, ends what could be a name at p, but is no colon behind a name. */
ENGINE static int name_error(const char *p, const char *q, const char *end)
{
    if (p == q && (*q == ' ' || *q == '\t'))
        return -HEAD_POS_OBS_FOLD;
    return is_crlf(q, end) ? -HEAD_POS_FIELD_NAME : line_error(q, end, -HEAD_POS_FIELD_NAME);
}

/* Sets the value in [begin, end) without white space around it. Below and at SP it holds only SP
 * and HTAB; the byte before begin is the colon, which stops the way back. */
INLINE void set_value(struct field *f, const char *begin, const char *end)
{
    while ((unsigned char)end[-1] <= ' ')
        end--;
    if (begin != end)
        while ((unsigned char)*begin <= ' ')
            begin++;
    f->value = begin;
    f->value_n = (uint32_t)(end - begin);
}

ENGINE static int scan_lines(const char *low, const char *p, const char *end, struct head *h)
{
    const char *begin = p, *q;
    struct field *f = h->fields, *last = f + HEAD_FIELDS_MAX;
    (void)low;
    for (;; f++, p = q + 2) {
        q = p;
        if (!skip_token(&q, end))
            return HEAD_MORE;
        if (*q != ':' || q == p)
            break;
        if (f == last)
            return -HEAD_POS_TOO_MANY_FIELDS;
        if (q - p > UINT16_MAX)
            return -HEAD_POS_FIELD_NAME;
        f->name = p;
        f->name_n = (uint16_t)(q - p);
        f->drop = 0;
        p = ++q;
        if (!skip_value(&q, end))
            return HEAD_MORE;
        if (!is_crlf(q, end))
            return line_error(q, end, -HEAD_POS_FIELD_VALUE);
        set_value(f, p, q);
    }
    if (q != p || !is_crlf(q, end))
        return name_error(p, q, end);
    h->fields_n = (uint16_t)(f - h->fields);
    return (int)(q + 2 - begin);
}

ENGINE static const char *scan_to_target(const char *low, const char *p, const char *end)
{
    (void)low;
    return skip_target(&p, end) ? p : end;
}

ENGINE static const char *scan_to_value(const char *low, const char *p, const char *end)
{
    (void)low;
    return skip_value(&p, end) ? p : end;
}

static const char *host_by_bytes(const char *p, const char *end)
{
    bool begin = true; /* of a label */
    for (; p < end && (scan_is(*p, SCAN_NAME) || *p == '.'); p++) {
        if (*p == '.' && begin)
            return NULL;
        begin = *p == '.';
    }
    return p;
}
