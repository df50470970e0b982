/* SPDX-License-Identifier: Apache-2.0 */
/* The SHA-256 that a Digest field (RFC 3230) says of a body, compared with the body run by run. */
#ifndef PLUGINS_HMAC_DIGEST_H
#define PLUGINS_HMAC_DIGEST_H

#include "worker/base/slice.h"

enum { HMAC_DIGEST_SIZE = 32 };

struct evp_md_ctx_st;

struct hmac_digest {
    struct evp_md_ctx_st *md;
    unsigned char wanted[HMAC_DIGEST_SIZE];
    bool empty; /* nothing was said: the body has to be empty */
};

/* "SHA-256=BASE64", in a list perhaps, where it is there once. False: it says something else. */
bool hmac_digest_read(struct slice value, unsigned char wanted[HMAC_DIGEST_SIZE]);

/* False: no memory. hmac_digest_free() in either case. */
bool hmac_digest_open(struct hmac_digest *d);
void hmac_digest_free(struct hmac_digest *d);

void hmac_digest_begin(struct hmac_digest *d); /* from the first byte, also again */
bool hmac_digest_take(struct hmac_digest *d, struct slice run); /* false: it cannot hold any more */
bool hmac_digest_holds(struct hmac_digest *d);                  /* all was taken; once */

#endif
