/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Derived identifiers. A UUID is made from XXH128 over kind and names and marked as version 8 (RFC
 * 9562: "custom"), since it is neither random nor one of the name-based kinds. It identifies and
 * protects nothing.
 */
#include "conf/ids.h"
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

struct conf_text ids_uuid(struct memory *memory, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    struct conf_text text = memory_vformat(memory, format, args);
    va_end(args);
    XXH128_canonical_t bytes;
    XXH128_canonicalFromHash(&bytes, XXH3_128bits(text.s, text.n));
    uint8_t *b = bytes.digest;
    b[6] = (uint8_t)((b[6] & 0x0f) | 0x80);
    b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
    return memory_format(
        memory, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
        b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
}

uint64_t ids_peer(struct conf_text upstream, const char *address)
{
    XXH64_hash_t hash =
        XXH3_64bits_withSeed(address, strlen(address), XXH3_64bits(upstream.s, upstream.n));
    return hash ? hash : 1;
}
