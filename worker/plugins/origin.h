/* SPDX-License-Identifier: Apache-2.0 */
/* An origin in text, "https://example.com:8443" (RFC 6454 section 6.1). Pure. */
#ifndef PLUGINS_ORIGIN_H
#define PLUGINS_ORIGIN_H

#include "worker/base/slice.h"

struct origin {
    struct slice whole; /* without the scheme's own port and anything behind the authority */
    struct slice host;  /* without port; the whole text where there is no scheme: "null" */
};

/* Slices point into `text`. */
struct origin origin_read(struct slice text);

#endif
