/* SPDX-License-Identifier: Apache-2.0 */
/* The name ends at the first colon, a password may hold more of them (RFC 7617 section 2). */
#include "worker/plugins/basic_claim.h"
#include "worker/http/base64.h"
#include "worker/http/field.h"

bool basic_claim_read(struct slice value, char *text, struct basic_claim *claim)
{
    struct slice token = field_credentials(value, SLICE("basic"));
    ptrdiff_t n = token.n ? base64_decode(token, true, text) : -1;
    const char *colon = n > 0 ? memchr(text, ':', (size_t)n) : NULL;

    if (!colon)
        return false;
    size_t name_n = (size_t)(colon - text);
    claim->username = slice_of(text, name_n);
    claim->password = slice_of(colon + 1, (size_t)n - name_n - 1);
    return true;
}
