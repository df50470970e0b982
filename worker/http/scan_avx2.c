/* SPDX-License-Identifier: Apache-2.0 */
/* The scan engine for CPUs with AVX2: 32 bytes at a time. */
#if defined(__x86_64__)
#include "worker/http/scan.h"
#include "worker/http/scan_class.h"
#include <immintrin.h>

#define BLOCK  32
#define ENGINE __attribute__((target("avx2,bmi")))

static const char token_rows[16] __attribute__((aligned(16))) = { SCAN_ROWS(SCAN_IS_TOKEN) };
static const char host_rows[16] __attribute__((aligned(16))) = { SCAN_ROWS(SCAN_IS_HOST) };
static const char halves[16] __attribute__((aligned(16))) = { SCAN_HALVES };

ENGINE static inline __m256i block(const char *p)
{
    return _mm256_loadu_si256((const __m256i_u *)(const void *)p);
}

ENGINE static inline __m256i both_lanes(const char *row)
{
    return _mm256_broadcastsi128_si256(_mm_load_si128((const __m128i *)(const void *)row));
}

/* A mask of the bytes outside the ASCII class that `rows` describes. */
ENGINE static inline uint32_t outside(const char *rows, const char *p)
{
    __m256i v = block(p);
    __m256i high = _mm256_and_si256(_mm256_srli_epi16(v, 4), _mm256_set1_epi8(15));
    __m256i in = _mm256_and_si256(_mm256_shuffle_epi8(both_lanes(rows), v),
                                  _mm256_shuffle_epi8(both_lanes(halves), high));
    return (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(in, _mm256_setzero_si256()));
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
    return (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(block(p), _mm256_set1_epi8('.')));
}

/* True for bytes up to `limit`, unsigned. */
ENGINE static inline __m256i upto(__m256i v, char limit)
{
    return _mm256_cmpeq_epi8(_mm256_min_epu8(v, _mm256_set1_epi8(limit)), v);
}

ENGINE static inline uint32_t stops_value(const char *p)
{
    __m256i v = block(p);
    __m256i tab = _mm256_cmpeq_epi8(v, _mm256_set1_epi8('\t'));
    __m256i del = _mm256_cmpeq_epi8(v, _mm256_set1_epi8(0x7f));
    return (uint32_t)_mm256_movemask_epi8(
        _mm256_or_si256(_mm256_andnot_si256(tab, upto(v, 0x1f)), del));
}

ENGINE static inline uint32_t stops_target(const char *p)
{
    __m256i v = block(p);
    __m256i hash = _mm256_cmpeq_epi8(v, _mm256_set1_epi8('#'));
    __m256i del = _mm256_cmpeq_epi8(v, _mm256_set1_epi8(0x7f));
    return (uint32_t)_mm256_movemask_epi8(
        _mm256_or_si256(_mm256_or_si256(upto(v, ' '), hash), del));
}

#include "worker/http/scan_lines.h"

const struct scan_engine scan_avx2 = { "avx2", scan_to_target, scan_to_value, scan_host,
                                       scan_lines };
#else
typedef int scan_avx2_is_for_x86;
#endif
