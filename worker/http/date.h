/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP dates (RFC 9110 section 5.6.7). Pure: the clock is an argument. */
#ifndef HTTP_DATE_H
#define HTTP_DATE_H

#include "worker/base/slice.h"

enum { DATE_LENGTH = 29, DATE_LINE = DATE_LENGTH + 8 };

/* Seconds since 1970 of an IMF-fixdate, RFC 850 or asctime date; `now` settles two-digit years. -1
 * when it is none; dates before 1970 are 0. Letters in any case. */
int64_t date_parse(struct slice text, int64_t now);

/* Writes DATE_LENGTH bytes of IMF-fixdate, not terminated. Clamped to the years 1970 to 9999. */
void date_format(int64_t seconds, char out[DATE_LENGTH]);

/* Writes a Date field of DATE_LINE bytes, CRLF included. Returns the end. */
char *date_line(int64_t seconds, char *out);

#endif
