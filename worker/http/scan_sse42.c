/* SPDX-License-Identifier: Apache-2.0 */
/* The scan engine for CPUs with SSE4.2 and no AVX2: 16 bytes at a time. */
#if defined(__x86_64__)
#include "worker/http/scan.h"
#include "worker/http/scan_class.h"
#include <immintrin.h>

#define BLOCK  16
#define ENGINE __attribute__((target("sse4.2")))

static const char token_rows[16] __attribute__((aligned(16))) = { SCAN_ROWS(SCAN_IS_TOKEN) };
static const char host_rows[16] __attribute__((aligned(16))) = { SCAN_ROWS(SCAN_IS_HOST) };
static const char halves[16] __attribute__((aligned(16))) = { SCAN_HALVES };

ENGINE static inline __m128i block(const char *p)
{
    return _mm_loadu_si128((const __m128i_u *)(const void *)p);
}

ENGINE static inline __m128i table_of(const char *row)
{
    return _mm_load_si128((const __m128i *)(const void *)row);
}

/* A mask of the bytes outside the ASCII class that `rows` describes. */
ENGINE static inline uint32_t outside(const char *rows, const char *p)
{
    __m128i v = block(p);
    __m128i high = _mm_and_si128(_mm_srli_epi16(v, 4), _mm_set1_epi8(15));
    __m128i in = _mm_and_si128(_mm_shuffle_epi8(table_of(rows), v),
                               _mm_shuffle_epi8(table_of(halves), high));
    return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(in, _mm_setzero_si128()));
}

ENGINE static inline uint32_t stops_token(const char *p)
{
    return outside(token_rows, p);
}

ENGINE static inline uint32_t stops_host(const char *p)
{
    return outside(host_rows, p);
}

ENGINE static inline uint32_t dots(const char *p)
{
    return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(block(p), _mm_set1_epi8('.')));
}

/* True for bytes up to `limit`, unsigned. */
ENGINE static inline __m128i upto(__m128i v, char limit)
{
    return _mm_cmpeq_epi8(_mm_min_epu8(v, _mm_set1_epi8(limit)), v);
}

ENGINE static inline uint32_t stops_value(const char *p)
{
    __m128i v = block(p);
    __m128i tab = _mm_cmpeq_epi8(v, _mm_set1_epi8('\t'));
    __m128i del = _mm_cmpeq_epi8(v, _mm_set1_epi8(0x7f));
    return (uint32_t)_mm_movemask_epi8(_mm_or_si128(_mm_andnot_si128(tab, upto(v, 0x1f)), del));
}

ENGINE static inline uint32_t stops_target(const char *p)
{
    __m128i v = block(p);
    __m128i hash = _mm_cmpeq_epi8(v, _mm_set1_epi8('#'));
    __m128i del = _mm_cmpeq_epi8(v, _mm_set1_epi8(0x7f));
    return (uint32_t)_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(upto(v, ' '), hash), del));
}

#include "worker/http/scan_lines.h"

const struct scan_engine scan_sse42 = { "sse42", scan_to_target, scan_to_value, scan_host,
                                        scan_lines };
#else
typedef int scan_sse42_is_for_x86;
#endif
