/* SPDX-License-Identifier: Apache-2.0 */
/* The Forwarded field (RFC 7239), in which proxies name who asked them. Pure. */
#ifndef HTTP_FORWARDED_H
#define HTTP_FORWARDED_H

#include "worker/base/slice.h"

/* Walks the elements of one field line: true with the node of the next one's "for" parameter while
 * there are any, without its quotes: "192.0.2.1:80", "[2001:db8::1]", "unknown", "_hidden". Empty
 * where an element names nobody, or not clearly: twice, by a quoted text with an escape, or beside
 * a quote that has no end or does not stand around a whole value. */
bool forwarded_next(struct slice *rest, struct slice *node);

#endif
