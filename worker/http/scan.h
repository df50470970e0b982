/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finding where parts of a head end: the inner loops of the head parser, once in plain C and once
 * per vector width. All engines give the same answers for the same bytes; none reads outside [low,
 * end).
 */
#ifndef HTTP_SCAN_H
#define HTTP_SCAN_H

#include "worker/http/head.h"

/* Classes of bytes. */
enum scan_class {
    SCAN_TOKEN = 1,  /* RFC 9110 section 5.6.2: names, methods */
    SCAN_VALUE = 2,  /* of a field: visible, SP, HTAB, obs-text */
    SCAN_TARGET = 4, /* of a request target: anything but controls, SP, DEL and '#' */
    SCAN_NAME = 8,   /* of a host name: letters, digits, '-' '_' '~' */
    SCAN_PLAIN = 16, /* of a target, and itself in a normal path: ASCII but for '/' '?' '%' */
};
extern const uint8_t scan_table[256]; /* of bits of enum scan_class */

static inline bool scan_is(char c, enum scan_class class)
{
    return (scan_table[(unsigned char)c] & (unsigned)class) != 0;
}
bool scan_all(struct slice text, enum scan_class class); /* true for an empty text */

enum { SCAN_BLOCK_MAX = 32 }; /* an engine may need that many bytes from low to end */

struct scan_engine {
    const char *name;
    /* The first byte in [p, end) that is not of SCAN_TARGET, or end. low <= p: where the buffer
     * begins. */
    const char *(*target)(const char *low, const char *p, const char *end);
    const char *(*value)(const char *low, const char *p,
                         const char *end); /* the same for SCAN_VALUE */
    /* The end of a host name at p: the first byte that is neither of SCAN_NAME nor a dot, or end;
     * NULL when a label of it is empty. A dot at its end is allowed. */
    const char *(*host)(const char *low, const char *p, const char *end);
    /* Field lines and the empty line behind them: fills h->fields (all but id) and h->fields_n.
     * Returns the bytes taken, HEAD_MORE, or minus an error. */
    int (*lines)(const char *low, const char *p, const char *end, struct head *h);
};

extern const struct scan_engine scan_portable; /* for any buffer, any machine */
#if defined(__x86_64__)
extern const struct scan_engine scan_sse42,
    scan_avx2; /* only where the CPU has them, end - low >= SCAN_BLOCK_MAX */
#endif

/* The fastest engine that this CPU can run on a buffer of n bytes. */
const struct scan_engine *scan_engine(size_t n);

#endif
