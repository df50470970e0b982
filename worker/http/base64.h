/* SPDX-License-Identifier: Apache-2.0 */
/* Base64 (RFC 4648), strictly. */
#ifndef HTTP_BASE64_H
#define HTTP_BASE64_H

#include "worker/base/slice.h"

/* Decodes base64 in the alphabet of URLs, and in the older one too when `any`, with or without
 * padding then. `out` has room for in.n bytes. Returns the length, or -1 when malformed: a foreign
 * byte, a lone digit, bits at the end that nobody would read. */
ptrdiff_t base64_decode(struct slice in, bool any, char *out);

#endif
