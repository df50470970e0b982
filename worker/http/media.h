/* SPDX-License-Identifier: Apache-2.0 */
/* Does a Content-Type value fit one that is configured (RFC 9110 section 8.3.1)? Pure. */
#ifndef HTTP_MEDIA_H
#define HTTP_MEDIA_H

#include "conf/plugins/plugin_proxy_cache.h"
#include "worker/base/slice.h"

bool media_matches(const struct conf_mime *m, struct slice value);

/* The same without parameters, and with suffixes: a subtype "*+json" fits "ld+json" and
 * "problem+json". */
bool media_is_kind(const struct conf_mime *m, struct slice value);

#endif
