/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine's classes of bytes and its loops over a vector block, included once by each scan_*.c
 * after it has defined
 *   BLOCK, ENGINE      bytes of a vector; attribute of the instruction set for each function
 *   vector, OP         its type; an operation on it that both widths name alike
 *   load, lanes, MASK, ZERO, EITHER, BOTH, BUT_NOT   and those that they name each in its way
 * A mask has bit i set when p[i] is not in the class. A rest shorter than a block is read as the
 * buffer's last block and the mask is shifted: no byte outside is touched.
 */
#ifndef BLOCK
#error "scan_lines.h belongs into an engine"
#endif

#define INLINE static inline __attribute__((always_inline)) ENGINE

static const char token_rows[16] __attribute__((aligned(16))) = { SCAN_ROWS(SCAN_IS_TOKEN) };
static const char host_rows[16] __attribute__((aligned(16))) = { SCAN_ROWS(SCAN_IS_HOST) };
static const char halves[16] __attribute__((aligned(16))) = { SCAN_HALVES };

INLINE vector equal(vector v, char c)
{
    return OP(cmpeq_epi8, v, OP(set1_epi8, c));
}

/* True for bytes up to `limit`, unsigned. */
INLINE vector upto(vector v, char limit)
{
    return OP(cmpeq_epi8, OP(min_epu8, v, OP(set1_epi8, limit)), v);
}

/* A mask of the bytes outside the ASCII class that `rows` describes. */
INLINE uint32_t outside(const char *rows, const char *p)
{
    vector v = load(p);
    vector high = BOTH(OP(srli_epi16, v, 4), OP(set1_epi8, 15));
    vector in = BOTH(OP(shuffle_epi8, lanes(rows), v), OP(shuffle_epi8, lanes(halves), high));
    return MASK(OP(cmpeq_epi8, in, ZERO));
}

INLINE uint32_t stops_token(const char *p)
{
    return outside(token_rows, p);
}

INLINE uint32_t stops_host(const char *p)
{
    return outside(host_rows, p);
}

INLINE uint32_t dots(const char *p)
{
    return MASK(equal(load(p), '.'));
}

INLINE uint32_t stops_value(const char *p)
{
    vector v = load(p);
    return MASK(EITHER(BUT_NOT(upto(v, 0x1f), equal(v, '\t')), equal(v, 0x7f)));
}

INLINE uint32_t stops_target(const char *p)
{
    vector v = load(p);
    return MASK(EITHER(EITHER(upto(v, ' '), equal(v, '#')), equal(v, 0x7f)));
}

#define SKIP(class)                                                                                \
    INLINE bool skip_##class(const char **p, const char *end)                                      \
    {                                                                                              \
        const char *q = *p;                                                                        \
        for (; end - q >= BLOCK; q += BLOCK) {                                                     \
            uint32_t stops = stops_##class(q);                                                     \
            if (stops) {                                                                           \
                *p = q + __builtin_ctz(stops);                                                     \
                return true;                                                                       \
            }                                                                                      \
        }                                                                                          \
        if (q == end)                                                                              \
            return false;                                                                          \
        uint32_t stops = stops_##class(end - BLOCK) >> (BLOCK - (end - q));                        \
        if (stops)                                                                                 \
            *p = q + __builtin_ctz(stops);                                                         \
        return stops != 0;                                                                         \
    }
SKIP(token)
SKIP(value)
SKIP(target)

#include "worker/http/scan_walk.h"

/* A name that ends within a block, as nearly all do, needs two masks: an empty label is a dot
 * behind a dot or at the begin. */
ENGINE static const char *scan_host(const char *low, const char *p, const char *end)
{
    size_t n = (size_t)(end - p);
    if (n == 0 || n >= BLOCK || p - low < BLOCK - (ptrdiff_t)n)
        return host_by_bytes(p, end);
    uint32_t stops = stops_host(end - BLOCK) >> (BLOCK - n) | 1u << n;
    uint32_t in_name = (stops & -stops) - 1;
    uint32_t dot = dots(end - BLOCK) >> (BLOCK - n) & in_name;
    return dot & (dot << 1 | 1) ? NULL : p + __builtin_ctz(stops);
}
