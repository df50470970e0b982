/* SPDX-License-Identifier: Apache-2.0 */
/* Conditional requests against a stored response (RFC 9110 section 13, RFC 9111 section 4.3.2).
 * Pure. */
#ifndef HTTP_CONDITIONAL_H
#define HTTP_CONDITIONAL_H

#include "worker/http/head.h"

/* What the stored response has to be compared with. */
struct conditional_validators {
    struct slice etag; /* as in the ETag field; absent: none */
    int64_t modified;  /* Last-Modified, seconds since 1970; 0: none */
    int64_t date;      /* Date, which If-Range compares it with; 0 or less: none */
};

/* True: the client's copy is good, the answer is 304. For GET and HEAD. */
bool conditional_not_modified(const struct head *request, const struct conditional_validators *v,
                              int64_t now);

/* May a Range be answered, as If-Range asks? True without If-Range. */
bool conditional_range_holds(const struct head *request, const struct conditional_validators *v,
                             int64_t now);

/* True when two entity tags are the same by the weak comparison. */
bool conditional_weak_match(struct slice a, struct slice b);

/* Is the stored field part of a 304: what guides the client's cache, and no more (RFC 9110 section
 * 15.4.5)? */
bool conditional_in_304(struct slice name);

#endif
