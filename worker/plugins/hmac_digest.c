/* SPDX-License-Identifier: Apache-2.0 */
/* See hmac_digest.h. What fails within OpenSSL counts as a body that does not fit. */
#include "worker/plugins/hmac_digest.h"

#include "worker/http/base64.h"
#include "worker/http/field.h"
#include <openssl/crypto.h>
#include <openssl/evp.h>

enum { BASE64_SIZE = 44 }; /* of 32 bytes, with its padding */

static bool read_one(struct slice text, unsigned char wanted[HMAC_DIGEST_SIZE])
{
    char bytes[BASE64_SIZE];
    if (text.n != BASE64_SIZE || base64_decode(text, true, bytes) != HMAC_DIGEST_SIZE)
        return false;
    memcpy(wanted, bytes, HMAC_DIGEST_SIZE);
    return true;
}

bool hmac_digest_read(struct slice value, unsigned char wanted[HMAC_DIGEST_SIZE])
{
    static const struct slice name = SLICE("SHA-256=");
    struct slice element;
    int found = 0;
    while (field_list_next(&value, &element)) {
        if (!slice_begins_nocase(element, name))
            continue;
        if (++found > 1 || !read_one(slice_from(element, name.n), wanted))
            return false;
    }
    return found == 1;
}

bool hmac_digest_open(struct hmac_digest *d)
{
    d->md = EVP_MD_CTX_new();
    return d->md != NULL;
}

void hmac_digest_free(struct hmac_digest *d)
{
    EVP_MD_CTX_free(d->md);
    d->md = NULL;
}

void hmac_digest_begin(struct hmac_digest *d)
{
    if (EVP_DigestInit_ex(d->md, EVP_sha256(), NULL) != 1)
        memset(d->wanted, 0, sizeof d->wanted); /* no digest is that */
}

bool hmac_digest_take(struct hmac_digest *d, struct slice run)
{
    if (d->empty)
        return run.n == 0;
    return EVP_DigestUpdate(d->md, run.p, run.n) == 1;
}

bool hmac_digest_holds(struct hmac_digest *d)
{
    unsigned char got[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    return d->empty || (EVP_DigestFinal_ex(d->md, got, &n) == 1 && n == HMAC_DIGEST_SIZE &&
                        CRYPTO_memcmp(got, d->wanted, n) == 0);
}
