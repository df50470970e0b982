/* SPDX-License-Identifier: Apache-2.0 */
/* What was written by build_field() is read back: one colon and one space behind the name. */
#include "worker/http/lines.h"

bool lines_next(struct slice *rest, struct line *out)
{
    const char *end = rest->n ? memchr(rest->p, '\n', rest->n) : NULL;

    if (!end)
        return false;
    out->whole = slice_of(rest->p, (size_t)(end + 1 - rest->p));
    *rest = slice_of(end + 1, rest->n - out->whole.n);
    const char *colon = memchr(out->whole.p, ':', out->whole.n);
    size_t name_n = colon ? (size_t)(colon - out->whole.p) : 0;
    if (name_n + 4 > out->whole.n) /* no line of ours */
        return false;
    out->name = slice_of(out->whole.p, name_n);
    out->value = slice_of(colon + 2, out->whole.n - name_n - 4);
    return true;
}

struct slice lines_find(struct slice lines, struct slice name)
{
    struct line line;

    while (lines_next(&lines, &line))
        if (slice_equal_nocase(line.name, name))
            return line.value;
    return (struct slice){ NULL, 0 };
}
