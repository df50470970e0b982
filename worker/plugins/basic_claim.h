/* SPDX-License-Identifier: Apache-2.0 */
/* What an Authorization field of the scheme "Basic" says (RFC 7617). Pure. */
#ifndef PLUGINS_BASIC_CLAIM_H
#define PLUGINS_BASIC_CLAIM_H

#include "worker/base/slice.h"
#include <stdbool.h>

struct basic_claim {
    struct slice username, password; /* into `text` */
};

/* "Basic TOKEN", the scheme in any case. `text` has room for value.n bytes; whatever comes of it,
 * the caller wipes it. False: something else. */
bool basic_claim_read(struct slice value, char *text, struct basic_claim *claim);

#endif
