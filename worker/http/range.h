/* SPDX-License-Identifier: Apache-2.0 */
/* Ranges of bytes of a body that is at hand (RFC 9110 section 14). Pure. */
#ifndef HTTP_RANGE_H
#define HTTP_RANGE_H

#include "worker/base/slice.h"

enum { RANGE_MAX = 16, RANGE_BOUNDARY = 24 };

struct range {
    uint64_t from, n; /* n > 0 */
};

/* Reads a Range value for a body of `size` bytes. > 0: so many ranges in out[], in the order that
 * was asked for. 0: to be ignored (another unit, malformed, too many, overlapping): the whole body.
 * -1: none can be satisfied: 416. */
int range_parse(struct slice value, uint64_t size, struct range out[RANGE_MAX]);

/* "Content-Range: bytes 0-1/10\r\n", at most 90 bytes; range NULL: "bytes * /10" (416). */
char *range_field(char *to, const struct range *range, uint64_t size);

/* What stands in front of a part of multipart/byteranges, and behind the last (range NULL).
 * `boundary`: RANGE_BOUNDARY bytes. Writes at most 2 * RANGE_BOUNDARY + 128 + type.n bytes. */
char *range_part(char *to, const char *boundary, struct slice type, const struct range *range,
                 uint64_t size);

#endif
