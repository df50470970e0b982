/* SPDX-License-Identifier: Apache-2.0 */
/* Both parts are what the text begins with or contains, so nothing has to be copied. */
#include "worker/plugins/origin.h"

static size_t find(struct slice text, size_t from, const char *any)
{
    while (from < text.n && !strchr(any, text.p[from]))
        from++;
    return from;
}

struct origin origin_read(struct slice text)
{
    const char *mark = text.n ? memmem(text.p, text.n, "://", 3) : NULL;
    if (!mark)
        return (struct origin){ text, text };
    size_t scheme = (size_t)(mark - text.p), from = scheme + 3;
    size_t end = find(text, from, "/?#");
    text.n = end;
    size_t literal = from < end && text.p[from] == '[' ? find(text, from, "]") : from;
    size_t colon = find(text, literal, ":");
    struct slice port = slice_of(text.p + colon, end - colon);
    bool needless = (slice_equal(port, SLICE(":80")) && scheme == 4) ||
                    (slice_equal(port, SLICE(":443")) && scheme == 5);
    return (struct origin){ slice_of(text.p, needless ? colon : end),
                            slice_of(text.p + from, colon - from) };
}
