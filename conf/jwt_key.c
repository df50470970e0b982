/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A key is bound to one algorithm, and the algorithm to one kind of key: the curve is compared by
 * name, as there are others of the same size.
 */
#include "conf/jwt_key.h"
#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <string.h>

enum { JWT_KEY_RSA_BITS = 2048 }; /* RFC 7518 section 3.3 */

const char *jwt_key_algorithm(enum conf_jwt_algorithm algorithm)
{
    static const char *const names[CONF_JWT_ALGORITHMS] = {
        [CONF_HS256] = "HS256", [CONF_HS384] = "HS384", [CONF_HS512] = "HS512",
        [CONF_RS256] = "RS256", [CONF_RS384] = "RS384", [CONF_RS512] = "RS512",
        [CONF_ES256] = "ES256", [CONF_ES384] = "ES384", [CONF_ES512] = "ES512",
        [CONF_PS256] = "PS256", [CONF_PS384] = "PS384", [CONF_PS512] = "PS512",
        [CONF_EDDSA] = "EdDSA",
    };
    return names[algorithm];
}

/* Without this OpenSSL would ask at the terminal for the pass phrase of an encrypted block. */
static int no_password(char *buf, int size, int writing, void *arg)
{
    (void)buf, (void)size, (void)writing, (void)arg;
    return -1;
}

EVP_PKEY *jwt_key_read(struct conf_text pem)
{
    BIO *bio = BIO_new_mem_buf(pem.s, (int)pem.n);
    EVP_PKEY *key = bio ? PEM_read_bio_PUBKEY(bio, NULL, no_password, NULL) : NULL;

    BIO_free(bio);
    ERR_clear_error();
    return key;
}

void jwt_key_free(void *key)
{
    EVP_PKEY_free(key);
}

static const char *curve_misfit(EVP_PKEY *key, const char *curve)
{
    char name[32];
    size_t n;

    if (EVP_PKEY_is_a(key, "EC") &&
        EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_GROUP_NAME, name, sizeof name, &n) ==
            1 &&
        strcmp(name, curve) == 0)
        return NULL;
    ERR_clear_error();
    return "is not a key on the curve of the algorithm";
}

const char *jwt_key_misfit(EVP_PKEY *key, enum conf_jwt_algorithm algorithm)
{
    switch (algorithm) {
    case CONF_ES256:
        return curve_misfit(key, "prime256v1");
    case CONF_ES384:
        return curve_misfit(key, "secp384r1");
    case CONF_ES512:
        return curve_misfit(key, "secp521r1");
    case CONF_EDDSA:
        return EVP_PKEY_is_a(key, "ED25519") ? NULL : "is not an Ed25519 key";
    default:
        if (!EVP_PKEY_is_a(key, "RSA"))
            return "is not an RSA key";
        return EVP_PKEY_get_bits(key) < JWT_KEY_RSA_BITS ? "is an RSA key of less than 2048 bits"
                                                         : NULL;
    }
}
