/* SPDX-License-Identifier: Apache-2.0 */
/*
 * FNV-1a, 64 bits: for names that the operator chose, and for numbers that have to come out the
 * same in every process, on every machine and over an upgrade. It is no secret and two texts that
 * meet are easily made: where a client chooses the text and a meeting would harm anybody else, a
 * keyed hash is needed instead. All folders may include this.
 */
#ifndef CONF_FNV_H
#define CONF_FNV_H

#include <stddef.h>
#include <stdint.h>

#define FNV_BEGIN UINT64_C(14695981039346656037)

/* `h` with n more bytes; text may be NULL when n is 0. */
static inline uint64_t fnv_bytes(uint64_t h, const void *text, size_t n)
{
    const unsigned char *p = text;
    for (size_t i = 0; i < n; i++)
        h = (h ^ p[i]) * UINT64_C(1099511628211);
    return h;
}

/* The same for a string, without its end. */
static inline uint64_t fnv_text(uint64_t h, const char *text)
{
    for (; *text; text++)
        h = fnv_bytes(h, text, 1);
    return h;
}

#endif
