/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What another reader could decode in another way is refused: padding where there is none, foreign
 * bytes, bits set that no byte has.
 */
#include "worker/http/base64.h"

static int digit(unsigned char c, bool any)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '-' || (any && c == '+'))
        return 62;
    return c == '_' || (any && c == '/') ? 63 : -1;
}

ptrdiff_t base64_decode(struct slice in, bool any, char *out)
{
    uint32_t bits = 0;
    int held = 0;
    char *at = out;
    bool padded = any && in.n > 0 && in.n % 4 == 0;
    for (int i = 0; padded && i < 2 && in.p[in.n - 1] == '='; i++)
        in.n--;
    for (size_t i = 0; i < in.n; i++) {
        int value = digit((unsigned char)in.p[i], any);
        if (value < 0)
            return -1;
        bits = bits << 6 | (uint32_t)value;
        held += 6;
        if (held >= 8) {
            held -= 8;
            *at++ = (char)(bits >> held & 0xff);
        }
    }
    if (held == 6 || (bits & ((1U << held) - 1)) != 0)
        return -1; /* a lone digit, or bits that nobody would read */
    return at - out;
}
