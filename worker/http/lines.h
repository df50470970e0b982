/* SPDX-License-Identifier: Apache-2.0 */
/* Field lines as a stored head holds them, "Name: value\r\n" each. Pure. */
#ifndef HTTP_LINES_H
#define HTTP_LINES_H

#include "worker/base/slice.h"

struct line {
    struct slice whole, name, value; /* whole: with its CRLF */
};

/* The next line; false: none is left. */
bool lines_next(struct slice *rest, struct line *out);
/* The value of the first line with that name; absent: {NULL, 0}. */
struct slice lines_find(struct slice lines, struct slice name);

#endif
