/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The portable scan engine, which goes byte by byte over the table of classes, and the choice
 * between the engines. It serves short buffers and other machines, and is the oracle that the
 * vector engines are tested against.
 */
#include "worker/http/scan.h"
#include "worker/http/scan_class.h"

#define CLASS(c)                                                                                   \
    (SCAN_IS_TOKEN(c) * SCAN_TOKEN | SCAN_IS_VALUE(c) * SCAN_VALUE |                               \
     SCAN_IS_TARGET(c) * SCAN_TARGET | SCAN_IS_NAME(c) * SCAN_NAME |                               \
     SCAN_IS_PLAIN(c) * SCAN_PLAIN)
#define CLASS_4(c)  CLASS(c), CLASS(c + 1), CLASS(c + 2), CLASS(c + 3)
#define CLASS_16(c) CLASS_4(c), CLASS_4(c + 4), CLASS_4(c + 8), CLASS_4(c + 12)
#define CLASS_64(c) CLASS_16(c), CLASS_16(c + 16), CLASS_16(c + 32), CLASS_16(c + 48)

const uint8_t scan_table[256] = { CLASS_64(0), CLASS_64(64), CLASS_64(128), CLASS_64(192) };

#define ENGINE
#define INLINE static inline

INLINE bool skip(const char **p, const char *end, enum scan_class class)
{
    while (*p < end && scan_is(**p, class))
        ++*p;
    return *p < end;
}

INLINE bool skip_token(const char **p, const char *end)
{
    return skip(p, end, SCAN_TOKEN);
}

INLINE bool skip_value(const char **p, const char *end)
{
    return skip(p, end, SCAN_VALUE);
}

INLINE bool skip_target(const char **p, const char *end)
{
    return skip(p, end, SCAN_TARGET);
}

#include "worker/http/scan_walk.h"

static const char *scan_host(const char *low, const char *p, const char *end)
{
    (void)low;
    return host_by_bytes(p, end);
}

const struct scan_engine scan_portable = { "portable", scan_to_target, scan_to_value, scan_host,
                                           scan_lines };

bool scan_all(struct slice text, enum scan_class class)
{
    for (size_t i = 0; i < text.n; i++)
        if (!scan_is(text.p[i], class))
            return false;
    return true;
}

const struct scan_engine *scan_engine(size_t n)
{
#if defined(__x86_64__)
    if (n >= SCAN_BLOCK_MAX) {
        if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi"))
            return &scan_avx2;
        if (__builtin_cpu_supports("sse4.2"))
            return &scan_sse42;
    }
#endif
    (void)n;
    return &scan_portable;
}
