/* SPDX-License-Identifier: Apache-2.0 */
/* Heads for tests out of their field lines. The text is kept in a ring, so that a few are valid at
 * once. */
#ifndef TESTS_HEADS_H
#define TESTS_HEADS_H

#include "worker/http/head.h"
#include <stdlib.h>

static inline struct head *heads_parse(const char *start, const char *fields, bool request)
{
    static char texts[4][4000];
    static struct head heads[4];
    static unsigned next;
    char *text = texts[next % 4];
    struct head *h = &heads[next++ % 4];
    int n = snprintf(text, sizeof texts[0], "%s\r\n%s\r\n", start, fields);
    assert_true(n > 0 && n < (int)sizeof texts[0]);
    int got = request ? head_request(text, (size_t)n, 0, h)
                      : head_response(text, (size_t)n, 0, METHOD_GET, h);
    assert_int_equal(got, n);
    return h;
}

static inline struct head *heads_response(int status, const char *fields)
{
    char line[64];
    snprintf(line, sizeof line, "HTTP/1.1 %d X", status);
    return heads_parse(line, fields, false);
}

static inline struct head *heads_request(const char *fields)
{
    return heads_parse("GET / HTTP/1.1\r\nHost: a", fields, true);
}

#endif
