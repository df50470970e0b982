/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hexadecimal digits, and the percent-encoding that is made of them (RFC 3986 section 2): the one
 * byte, as all who read or write texts need it. Whole texts: worker/http/uri.h, build.h. All
 * folders may include this.
 */
#ifndef CONF_HEX_H
#define CONF_HEX_H

#include <stdbool.h>
#include <stddef.h>

enum { HEX_ESCAPE = 3 }; /* bytes of "%XX" */

/* What a digit of either case counts; -1: it is none. */
static inline int hex_value(char c)
{
    if ((unsigned)(c - '0') <= 9)
        return c - '0';
    unsigned letter = (unsigned)((c | 0x20) - 'a');
    return letter < 6 ? (int)letter + 10 : -1;
}

/* The two digits of a byte; returns where they end. */
static inline char *hex_lower(char *to, unsigned char c)
{
    static const char digits[] = "0123456789abcdef";
    *to++ = digits[c >> 4];
    *to++ = digits[c & 15];
    return to;
}

static inline char *hex_upper(char *to, unsigned char c)
{
    static const char digits[] = "0123456789ABCDEF";
    *to++ = digits[c >> 4];
    *to++ = digits[c & 15];
    return to;
}

/* "%XX" for a byte, in the upper case that section 2.1 prefers; returns where it ends. */
static inline char *hex_escape(char *to, unsigned char c)
{
    *to++ = '%';
    return hex_upper(to, c);
}

/* The byte that "%XX" at p stands for; -1: there is no whole escape. */
static inline int hex_escaped(const char *p, const char *end)
{
    if (end - p < HEX_ESCAPE || *p != '%')
        return -1;
    int high = hex_value(p[1]), low = hex_value(p[2]);
    return high < 0 || low < 0 ? -1 : high << 4 | low;
}

/* Section 2.3: what means the same with and without being escaped. */
static inline bool hex_is_unreserved(int c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

#endif
