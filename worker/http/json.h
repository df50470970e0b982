/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text as the inside of a JSON string (RFC 8259 section 7). Pure. The result is always valid: bytes
 * that are no UTF-8 become U+FFFD, control bytes become escapes.
 */
#ifndef HTTP_JSON_H
#define HTTP_JSON_H

#include "worker/base/slice.h"

enum {
    JSON_GROWTH = 6
}; /* one byte becomes at most so many: cap = JSON_GROWTH * s.n always holds all of `s` */

/* Writes `s` escaped, without quotes around it and without a NUL, to out[0..cap). What does not fit
 * is cut before a whole character, never inside one. Returns the bytes written. */
size_t json_escape(char *out, size_t cap, struct slice s);

#endif
