/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Request paths and query strings (RFC 3986). A path is normalised once, before anything looks at
 * it, so that no spelling dodges a route: dot segments removed, needless percent-encodings decoded,
 * the others in upper case, repeated slashes merged.
 */
#ifndef HTTP_URI_H
#define HTTP_URI_H

#include "worker/base/slice.h"

struct uri {
    struct slice path;  /* normalised, begins with "/" */
    struct slice query; /* without "?"; p is NULL when there was no "?" */
};

/* Splits and normalises `target` ("/a/../b?x=y"). Where the path is normal already, slices point
 * into `target`; otherwise the path is written to out[0..cap). cap = target.n suffices for ASCII;
 * each byte above it grows to an escape of three. ".." above the root is clamped; the query is left
 * as received. Returns false when the path does not begin with "/", is malformed (bad escape, %00,
 * a control byte, a space), or does not fit. */
bool uri_parse(struct slice target, char *out, size_t cap, struct uri *uri);

/* Walks "a=b&c" pairs, undecoded: true with the next name and value while there are any. value.p is
 * NULL without "=". */
bool uri_query_next(struct slice *rest, struct slice *name, struct slice *value);

/* Decodes %XX (and "+" as a space when `plus`) into out (cap >= in.n). Returns the length, or -1
 * when malformed. */
ptrdiff_t uri_decode(struct slice in, bool plus, char *out, size_t cap);

enum { URI_SIX_MAX = 47 };

/* Host without its port and without a trailing dot, lower-cased into out (cap >= host.n); *port 0
 * when there is none. IPv6 keeps its brackets, and is brought to its one form (endpoint_six() of
 * conf/endpoint.h), which may be longer than what was received: cap >= URI_SIX_MAX as well. False
 * when it does not fit or is ill-formed: the rules are host_split's, in host.h. */
bool uri_host(struct slice host, char *out, size_t cap, struct slice *name, int *port);

#endif
