/* SPDX-License-Identifier: Apache-2.0 */
/* The scan engine for CPUs with AVX2: 32 bytes at a time. */
#if defined(__x86_64__)
#include "worker/http/scan.h"
#include "worker/http/scan_class.h"
#include <immintrin.h>

#define BLOCK       32
#define ENGINE      __attribute__((target("avx2,bmi")))
#define OP(of, ...) _mm256_##of(__VA_ARGS__)
typedef __m256i vector;

ENGINE static inline vector load(const char *p)
{
    return OP(loadu_si256, (const __m256i_u *)(const void *)p);
}

/* Sixteen bytes, in each lane. */
ENGINE static inline vector lanes(const char *row)
{
    return _mm256_broadcastsi128_si256(_mm_load_si128((const __m128i *)(const void *)row));
}

#define MASK(v)       ((uint32_t)OP(movemask_epi8, (v)))
#define ZERO          OP(setzero_si256)
#define EITHER(a, b)  OP(or_si256, (a), (b))
#define BOTH(a, b)    OP(and_si256, (a), (b))
#define BUT_NOT(a, b) OP(andnot_si256, (b), (a))

#include "worker/http/scan_lines.h"

const struct scan_engine scan_avx2 = { "avx2", scan_to_target, scan_to_value, scan_host,
                                       scan_lines };
#else
typedef int scan_avx2_is_for_x86;
#endif
