/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine's loops over a vector block, included once by each scan_*.c after it has defined
 *   BLOCK              bytes of a vector
 *   ENGINE             attribute of the instruction set for each function
 *   stops_token(p)     and stops_value, stops_target, stops_host: a mask with bit i set when p[i]
 * is not in the class A rest shorter than a block is read as the buffer's last block and the mask
 * is shifted: no byte outside is touched.
 */
#ifndef BLOCK
#error "scan_lines.h belongs into an engine"
#endif

#define INLINE static inline __attribute__((always_inline)) ENGINE

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
