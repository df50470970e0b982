/* SPDX-License-Identifier: Apache-2.0 */
/* The stored head after a 304 (RFC 9111 sections 3.2 and 4.3.4). Pure. */
#ifndef HTTP_MERGE_H
#define HTTP_MERGE_H

#include "worker/http/storable.h"

/* Writes the lines of `stored` (without the cache's own) with those of the 304 in place of what
 * they name. `cookies`: Set-Cookie is stored as well. The stored Date is left out: where the 304
 * has none, the caller adds the time of its arrival. Returns the length, -1 when cap is too small.
 */
ptrdiff_t merge_head(struct slice stored, const struct head *response, bool cookies, char *out,
                     size_t cap);

/* Copies the lines that may be stored, as `verdict` says; `out` may be where they lie. Returns the
 * length. */
ptrdiff_t merge_without(const struct storable *verdict, struct slice lines, char *out);

/* The new head as a message, to be judged anew: a status line, the merged lines, and the Age of the
 * 304. -1: cap is too small. */
ptrdiff_t merge_message(int status, struct slice lines, const struct head *response, char *out,
                        size_t cap);

#endif
