/* SPDX-License-Identifier: Apache-2.0 */
/* What an Authorization field of the scheme "hmac" says. Pure. */
#ifndef PLUGINS_HMAC_CLAIM_H
#define PLUGINS_HMAC_CLAIM_H

#include "worker/base/slice.h"

struct hmac_claim {
    struct slice username, algorithm, headers, signature; /* into the value */
};

/* hmac username="...", algorithm="...", headers="...", signature="...", in any order; other
 * parameters are passed over. False: it is something else, one of them is missing, or there twice.
 */
bool hmac_claim_read(struct slice value, struct hmac_claim *claim);

/* Walks the names in `headers`: true with the next one while there are any. */
bool hmac_claim_next(struct slice *headers, struct slice *name);
bool hmac_claim_covers(const struct hmac_claim *claim, struct slice name);

#endif
