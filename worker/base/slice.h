/* SPDX-License-Identifier: Apache-2.0 */
/* A view of bytes that somebody else owns; not NUL-terminated. {NULL, 0} is "absent" where absence
 * matters. */
#ifndef BASE_SLICE_H
#define BASE_SLICE_H

#include "conf/text.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
    const char *p;
    size_t n;
};

#define SLICE(literal) ((struct slice){ (literal), sizeof(literal) - 1 })

static inline struct slice slice_of(const char *p, size_t n)
{
    return (struct slice){ p, n };
}

/* Of configured text; never absent. */
static inline struct slice slice_text(struct conf_text text)
{
    return slice_of(text.s, text.n);
}

static inline bool slice_equal(struct slice a, struct slice b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* Equal without regard to the case of ASCII letters. */
static inline bool slice_equal_nocase(struct slice a, struct slice b)
{
    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++) {
        unsigned char x = (unsigned char)a.p[i], y = (unsigned char)b.p[i];
        if (x != y && ((x ^ y) != 0x20 || (unsigned)((x | 0x20) - 'a') > 25))
            return false;
    }
    return true;
}

/* What follows the first n bytes; n <= s.n. */
static inline struct slice slice_from(struct slice s, size_t n)
{
    return slice_of(s.p + n, s.n - n);
}

static inline bool slice_begins(struct slice s, struct slice with)
{
    return s.n >= with.n && slice_equal(slice_of(s.p, with.n), with);
}

static inline bool slice_begins_nocase(struct slice s, struct slice with)
{
    return s.n >= with.n && slice_equal_nocase(slice_of(s.p, with.n), with);
}

#endif
