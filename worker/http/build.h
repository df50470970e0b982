/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing heads: each call appends at `to` and returns the new end. The caller has made sure of the
 * room; nothing is terminated. What goes in was parsed or configured: bytes are not checked again.
 */
#ifndef HTTP_BUILD_H
#define HTTP_BUILD_H

#include "worker/base/slice.h"

enum {
    BUILD_NUMBER_MAX = 20, /* bytes that build_number writes at most */
    BUILD_HEX_MAX = 16,
    BUILD_STATUS_LINE_MAX = 64,
};

static inline char *build_slice(char *to, struct slice s)
{
    if (s.n)
        memcpy(to, s.p, s.n);
    return to + s.n;
}

/* "Name: value\r\n", name.n + value.n + 4 bytes. */
static inline char *build_field(char *to, struct slice name, struct slice value)
{
    to = build_slice(to, name);
    *to++ = ':';
    *to++ = ' ';
    to = build_slice(to, value);
    *to++ = '\r';
    *to++ = '\n';
    return to;
}

char *build_number(char *to, uint64_t n); /* decimal */
char *build_hex(char *to, uint64_t n);    /* lower case, no leading zeros */

/* Two lower-case hex digits for each of n octets. */
char *build_octets(char *to, const uint8_t *octets, size_t n);
/* "HTTP/1.1 200 OK\r\n"; a status without a known phrase has an empty one. status 100..999. */
char *build_status_line(char *to, int status);
struct slice build_reason(int status); /* "OK"; n is 0 when unknown */

#endif
