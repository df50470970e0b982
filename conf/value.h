/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Forms of single values. The value_is_* functions are the `check` of a field's row: true when the
 * n bytes at s have the form, otherwise false with the reason in `why`, worded to follow the quoted
 * value.
 */
#ifndef CONF_VALUE_H
#define CONF_VALUE_H

#include "conf/text.h"
#include <stdbool.h>
#include <stdint.h>

enum { VALUE_SIZE_TEXT = 32 };

/* "16k", "128m", "1g", "4096" to bytes; and back, in the largest unit that divides it. */
bool value_size(const char *text, uint64_t *bytes);
void value_size_text(uint64_t bytes, char out[VALUE_SIZE_TEXT]);

/* "0660" to 0660. */
bool value_mode(const char *text, int *mode);

bool value_is_printable(const char *s, size_t n, char *why,
                        size_t size); /* UTF-8 without control characters */
bool value_is_name(const char *s, size_t n, char *why, size_t size); /* of a service, route, ... */
bool value_is_uuid(const char *s, size_t n, char *why, size_t size);
bool value_is_token(const char *s, size_t n, char *why,
                    size_t size); /* a header's name (RFC 9110 section 5.6.2) */
bool value_is_probe_header(const char *s, size_t n, char *why, size_t size);
bool value_is_method(const char *s, size_t n, char *why, size_t size);
bool value_is_host(const char *s, size_t n, char *why,
                   size_t size); /* a host name or IPv4 address */
bool value_is_wildcard(const char *s, size_t n, char *why,
                       size_t size); /* the same, or "*.x", or "x.*" */
bool value_is_route_host(const char *s, size_t n, char *why,
                         size_t size); /* the same, or an IPv6 address in brackets */
bool value_is_sni(const char *s, size_t n, char *why, size_t size); /* a host, or "*.x" */
bool value_is_location(const char *s, size_t n, char *why,
                       size_t size); /* path of a URL: begins with "/" */
bool value_is_target(const char *s, size_t n, char *why, size_t size); /* the same with a query */
bool value_is_authority(const char *s, size_t n, char *why,
                        size_t size); /* what a Host field may say */
bool value_is_route_header(const char *s, size_t n, char *why,
                           size_t size); /* a token, and not "host" */

/* A prefix path in the form that request paths are brought to before they are matched. */
bool value_is_prefix(const char *s, size_t n, char *why, size_t size);

#endif
