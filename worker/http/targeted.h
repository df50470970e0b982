/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CDN-Cache-Control: directives for caches like this one, in place of Cache-Control and Expires
 * (RFC 9213). Pure.
 */
#ifndef HTTP_TARGETED_H
#define HTTP_TARGETED_H

#include "worker/http/freshness.h"

/* True: the field is there, is a structured dictionary without a fault, and *out is what it says.
 * False: Cache-Control holds. */
bool targeted_directives(const struct head *response, struct cache_control *out);

#endif
