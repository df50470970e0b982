/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One row an algorithm (RFC 7518 section 3.1, RFC 8037): its digest, the padding of RSA, the size
 * of a number on its curve. ECDSA's two numbers stand side by side in a token and as DER in
 * OpenSSL, so they are rewritten; their size is the curve's, so that a signature has one spelling.
 * OpenSSL's queue of errors is left empty, as TLS reads it too.
 */
#include "worker/plugins/jwt_verify.h"
#include "conf/jwt_key.h"
#include "worker/http/base64.h"
#include "worker/plugins/jwt_token.h"
#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rsa.h>

enum {
    SIGNATURE_MAX = 2048, /* bytes: an RSA key of 16384 bits */
    DER_MAX = 160         /* two numbers of 66 bytes and what frames them */
};

struct method {
    const EVP_MD *(*digest)(void); /* NULL: the algorithm has its own */
    int padding;                   /* of RSA; 0: none */
    size_t number;                 /* bytes of each of ECDSA's two numbers; 0: no ECDSA */
};

static const struct method methods[] = {
    [CONF_HS256] = { EVP_sha256, 0, 0 },
    [CONF_HS384] = { EVP_sha384, 0, 0 },
    [CONF_HS512] = { EVP_sha512, 0, 0 },
    [CONF_RS256] = { EVP_sha256, RSA_PKCS1_PADDING, 0 },
    [CONF_RS384] = { EVP_sha384, RSA_PKCS1_PADDING, 0 },
    [CONF_RS512] = { EVP_sha512, RSA_PKCS1_PADDING, 0 },
    [CONF_ES256] = { EVP_sha256, 0, 32 },
    [CONF_ES384] = { EVP_sha384, 0, 48 },
    [CONF_ES512] = { EVP_sha512, 0, 66 },
    [CONF_PS256] = { EVP_sha256, RSA_PKCS1_PSS_PADDING, 0 },
    [CONF_PS384] = { EVP_sha384, RSA_PKCS1_PSS_PADDING, 0 },
    [CONF_PS512] = { EVP_sha512, RSA_PKCS1_PSS_PADDING, 0 },
    [CONF_EDDSA] = { NULL, 0, 0 },
};

/* A token taken apart: what is signed, and the signature decoded. */
struct signature {
    struct slice text;
    size_t n;
    unsigned char bytes[SIGNATURE_MAX];
};

static bool take_apart(struct slice token, struct signature *out)
{
    const char *dot = token.n ? memrchr(token.p, '.', token.n) : NULL;

    if (!dot)
        return false;
    out->text = slice_of(token.p, (size_t)(dot - token.p));
    struct slice encoded = slice_of(dot + 1, token.n - out->text.n - 1);
    ptrdiff_t n =
        encoded.n <= sizeof out->bytes ? base64_decode(encoded, false, (char *)out->bytes) : -1;
    out->n = n > 0 ? (size_t)n : 0;
    return n > 0;
}

bool jwt_verify_shared(struct slice token, enum conf_jwt_algorithm algorithm, struct slice secret)
{
    struct signature given;
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned n = 0;

    if (algorithm > CONF_HS512 || secret.n == 0 || secret.n > INT_MAX || !take_apart(token, &given))
        return false;
    bool made = HMAC(methods[algorithm].digest(), secret.p, (int)secret.n,
                     (const unsigned char *)given.text.p, given.text.n, mac, &n) != NULL;
    if (!made)
        ERR_clear_error();
    return made && n == given.n && CRYPTO_memcmp(mac, given.bytes, n) == 0;
}

/* r and s of `number` bytes each, as DER; the length, 0 when it cannot be. */
static size_t ecdsa_der(const struct signature *from, size_t number, unsigned char *out)
{
    unsigned char *at = out;
    ECDSA_SIG *pair = from->n == 2 * number ? ECDSA_SIG_new() : NULL;
    BIGNUM *r = pair ? BN_bin2bn(from->bytes, (int)number, NULL) : NULL;
    BIGNUM *s = r ? BN_bin2bn(from->bytes + number, (int)number, NULL) : NULL;
    int n = 0;

    if (s && ECDSA_SIG_set0(pair, r, s)) {
        r = s = NULL; /* the pair's now */
        n = i2d_ECDSA_SIG(pair, NULL) <= DER_MAX ? i2d_ECDSA_SIG(pair, &at) : 0;
    }
    BN_free(r);
    BN_free(s);
    ECDSA_SIG_free(pair);
    return n > 0 ? (size_t)n : 0;
}

static bool verify(const struct method *method, EVP_PKEY *key, struct slice text,
                   const unsigned char *signature, size_t n)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *of_key = NULL;
    const EVP_MD *digest = method->digest ? method->digest() : NULL;
    bool ok = ctx && EVP_DigestVerifyInit(ctx, &of_key, digest, NULL, key) == 1;

    if (ok && method->padding)
        ok = EVP_PKEY_CTX_set_rsa_padding(of_key, method->padding) == 1;
    if (ok && method->padding == RSA_PKCS1_PSS_PADDING) /* RFC 7518 section 3.5 */
        ok = EVP_PKEY_CTX_set_rsa_pss_saltlen(of_key, RSA_PSS_SALTLEN_DIGEST) == 1;
    ok = ok && EVP_DigestVerify(ctx, signature, n, (const unsigned char *)text.p, text.n) == 1;
    EVP_MD_CTX_free(ctx);
    return ok;
}

bool jwt_verify_public(struct slice token, enum conf_jwt_algorithm algorithm, EVP_PKEY *key)
{
    const struct method *method = &methods[algorithm];
    struct signature given;
    unsigned char der[DER_MAX];

    if (!key || algorithm <= CONF_HS512 || jwt_key_misfit(key, algorithm) ||
        !take_apart(token, &given))
        return false;
    size_t n = method->number ? ecdsa_der(&given, method->number, der) : given.n;
    bool ok = n > 0 && verify(method, key, given.text, method->number ? der : given.bytes, n);
    if (!ok)
        ERR_clear_error();
    return ok;
}
