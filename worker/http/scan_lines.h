/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine's loops over a vector block, included once by each scan_*.c after it has defined
 *   BLOCK              bytes of a vector
 *   ENGINE             attribute of the instruction set for each function
 *   stops_token(p)     and stops_value, stops_target: a mask with bit i set when p[i] is not in the
 * class A rest shorter than a block is read as the buffer's last block and the mask is shifted: no
 * byte outside is touched.
 */
#ifndef BLOCK
#error "scan_lines.h belongs into an engine"
#endif

#define INLINE static inline __attribute__((always_inline)) ENGINE

#define SKIP(class)                                                                                \
    INLINE const char *skip_##class(const char *p, const char *end)                                \
    {                                                                                              \
        for (; end - p >= BLOCK; p += BLOCK) {                                                     \
            uint32_t stops = stops_##class(p);                                                     \
            if (stops)                                                                             \
                return p + __builtin_ctz(stops);                                                   \
        }                                                                                          \
        if (p == end)                                                                              \
            return end;                                                                            \
        uint32_t stops = stops_##class(end - BLOCK) >> (BLOCK - (end - p));                        \
        return stops ? p + __builtin_ctz(stops) : end;                                             \
    }
SKIP(token)
SKIP(value)
SKIP(target)

#include "worker/http/scan_walk.h"

ENGINE static const char *scan_to_target(const char *low, const char *p, const char *end)
{
    (void)low;
    return skip_target(p, end);
}

ENGINE static const char *scan_to_value(const char *low, const char *p, const char *end)
{
    (void)low;
    return skip_value(p, end);
}
