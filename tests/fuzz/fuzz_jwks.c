/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JWK sets of any form: no crash, no read outside, nothing unbounded; what is taken for a key is
 * one that OpenSSL reads back and that fits each algorithm it is said to be for, none of which is
 * symmetric; and merging with what was known before keeps within bounds.
 */
#include "conf/consumer.h"
#include "conf/jwt_key.h"
#include "worker/checker/jwks_read.h"
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

static struct jwks_set set, known;

static void check_key(const struct jwks_key *k)
{
    const unsigned char *at = k->der;
    if (k->der_n > JWKS_DER || k->kid_n > JWKS_KID || k->algorithms == 0)
        abort();
    EVP_PKEY *key = d2i_PUBKEY(NULL, &at, k->der_n);
    if (!key)
        abort();
    for (int a = 0; a < 32; a++)
        if ((k->algorithms >> a & 1) && (a <= CONF_HS512 || a >= CONF_JWT_ALGORITHMS ||
                                         jwt_key_misfit(key, (enum conf_jwt_algorithm)a)))
            abort();
    EVP_PKEY_free(key);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int64_t now = 1700000000;
    uint32_t skipped = 0;
    char *text = malloc(size ? size : 1);
    if (!text)
        abort();
    if (size)
        memcpy(text, data, size);
    const char *why = jwks_read(slice_of(text, size), &set, &skipped);
    free(text);
    if (set.n > JWKS_KEYS || (why == NULL) != (set.n > 0))
        abort();
    for (uint32_t i = 0; i < set.n; i++)
        check_key(&set.keys[i]);
    if (why)
        return 0;
    now += (int64_t)(size % 40);
    (void)jwks_read_merge(&set, &known, now, 60);
    if (set.n > JWKS_KEYS)
        abort();
    known = set;
    return 0;
}
