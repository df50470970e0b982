/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A run of bytes that need nothing is found through one table and copied at once, since that is
 * nearly all of what is ever logged or answered. The rest goes one character at a time: escapes
 * from a second table, UTF-8 by the ranges of RFC 3629, so that neither overlong forms nor
 * surrogates pass.
 */
#include "worker/http/json.h"
#include "conf/hex.h"

/* 0: copied as it is; 'u': \u00XX; another letter: backslash and that letter; 1: begins a UTF-8
 * sequence, or does not. */
static const unsigned char json_class[256] = {
    [0 ... 7] = 'u', ['\b'] = 'b', ['\t'] = 't',      ['\n'] = 'n',  [11] = 'u',  ['\f'] = 'f',
    ['\r'] = 'r',    ['"'] = '"',  [14 ... 31] = 'u', ['\\'] = '\\', [127] = 'u', [128 ... 255] = 1,
};

/* The length of the well-formed UTF-8 sequence at s[0..n), whose first byte is above 127; 0: there
 * is none. */
static size_t sequence(const unsigned char *s, size_t n)
{
    unsigned char low = 0x80, high = 0xBF;
    size_t length = s[0] < 0xC2 ? 0 : s[0] < 0xE0 ? 2 : s[0] < 0xF0 ? 3 : s[0] < 0xF5 ? 4 : 0;
    if (length == 0 || length > n)
        return 0;
    if (s[0] == 0xE0)
        low = 0xA0;
    else if (s[0] == 0xED)
        high = 0x9F;
    else if (s[0] == 0xF0)
        low = 0x90;
    else if (s[0] == 0xF4)
        high = 0x8F;
    if (s[1] < low || s[1] > high)
        return 0;
    for (size_t i = 2; i < length; i++)
        if (s[i] < 0x80 || s[i] > 0xBF)
            return 0;
    return length;
}

/* Writes what stands for the one character at s to `to` (6 bytes of room); *used: bytes of `s`. */
static size_t character(const unsigned char *s, size_t n, char to[JSON_GROWTH], size_t *used)
{
    unsigned char class = json_class[*s];
    *used = 1;
    if (class == 1) {
        size_t length = sequence(s, n);
        *used = length ? length : 1;
        memcpy(to, length ? (const char *)s : "\\ufffd", length ? length : 6);
        return length ? length : 6;
    }
    if (class == 'u') {
        memcpy(to, "\\u00", 4);
        hex_lower(to + 4, *s);
        return 6;
    }
    to[0] = '\\';
    to[1] = (char)class;
    return 2;
}

size_t json_escape(char *out, size_t cap, struct slice s)
{
    const unsigned char *p = (const unsigned char *)s.p, *end = p + s.n;
    size_t n = 0;
    while (p < end) {
        const unsigned char *run = p;
        while (p < end && (size_t)(p - run) < cap - n && json_class[*p] == 0)
            p++;
        if (p > run) {
            memcpy(out + n, run, (size_t)(p - run));
            n += (size_t)(p - run);
        }
        if (p == end || json_class[*p] == 0)
            break; /* done, or full */
        char piece[JSON_GROWTH];
        size_t used, length = character(p, (size_t)(end - p), piece, &used);
        if (length > cap - n)
            break;
        memcpy(out + n, piece, length);
        n += length;
        p += used;
    }
    return n;
}
