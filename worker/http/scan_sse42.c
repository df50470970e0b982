/* SPDX-License-Identifier: Apache-2.0 */
/* The scan engine for CPUs with SSE4.2 and no AVX2: 16 bytes at a time. */
#if defined(__x86_64__)
#include "worker/http/scan.h"
#include "worker/http/scan_class.h"
#include <immintrin.h>

#define BLOCK       16
#define ENGINE      __attribute__((target("sse4.2")))
#define OP(of, ...) _mm_##of(__VA_ARGS__)
typedef __m128i vector;

ENGINE static inline vector load(const char *p)
{
    return OP(loadu_si128, (const __m128i_u *)(const void *)p);
}

/* Sixteen bytes, in each lane. */
ENGINE static inline vector lanes(const char *row)
{
    return _mm_load_si128((const __m128i *)(const void *)row);
}

#define MASK(v)       ((uint32_t)OP(movemask_epi8, (v)))
#define ZERO          OP(setzero_si128)
#define EITHER(a, b)  OP(or_si128, (a), (b))
#define BOTH(a, b)    OP(and_si128, (a), (b))
#define BUT_NOT(a, b) OP(andnot_si128, (b), (a))

#include "worker/http/scan_lines.h"

const struct scan_engine scan_sse42 = { "sse42", scan_to_target, scan_to_value, scan_host,
                                        scan_lines };
#else
typedef int scan_sse42_is_for_x86;
#endif
