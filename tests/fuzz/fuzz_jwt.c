/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens of any form through everything that reads them before and while the signature is checked:
 * no crash, no read outside, and nothing unsigned verifies.
 */
#include "worker/http/base64.h"
#include "worker/plugins/jwt_claims.h"
#include "worker/plugins/jwt_token.h"
#include "worker/plugins/jwt_verify.h"
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <stdlib.h>

/* Whatever a token says, a field's value holds nothing that ends it. */
static void look_at_claims(const struct jwt_token *token)
{
    static const char *const claims[] = { "iss", "sub", "aud", "a", "a.b", "a.b.c", ".", "" };
    static const struct conf_text names[] = { { "api", 3 }, { "x", 1 } };
    static const struct conf_texts some = { names, 2 };
    static char value[JWT_CLAIMS_VALUE_MAX];
    (void)jwt_claims_issuer(token, &some);
    (void)jwt_claims_audience(token, &some);
    for (size_t i = 0; i < sizeof claims / sizeof *claims; i++) {
        (void)jwt_claims_text(token, claims[i]);
        ptrdiff_t n = jwt_claims_value(token, claims[i], value);
        if (n > JWT_CLAIMS_VALUE_MAX)
            abort();
        for (ptrdiff_t k = 0; k < n; k++)
            if ((unsigned char)value[k] < ' ' || value[k] == 0x7f)
                abort();
    }
}

static void look(const struct jwt_token *token)
{
    struct slice key;
    (void)jwt_token_key(token, "iss", &key);
    (void)jwt_token_exp(token, 1700000000);
    (void)jwt_token_nbf(token, 1700000000);
    (void)jwt_token_lifetime(token, 1700000000, 300);
    (void)jwt_token_end(token);
    (void)jwt_token_kid(token);
    look_at_claims(token);
}

static EVP_PKEY *keys[3];

__attribute__((constructor)) static void make_keys(void)
{
    keys[0] = EVP_RSA_gen(2048);
    keys[1] = EVP_EC_gen("P-256");
    keys[2] = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
}

/* Keys that no corpus can have signed with: a verified token is a finding. */
static void verify(struct slice text)
{
    static const char secret[] = "\x13\x37 never in a corpus \xff\xfe\xfd\x01\x02\x03";
    for (int a = 0; a < CONF_JWT_ALGORITHMS; a++) {
        enum conf_jwt_algorithm algorithm = (enum conf_jwt_algorithm)a;
        bool holds = jwt_verify_shared(text, algorithm, slice_of(secret, sizeof(secret) - 1)) ||
                     jwt_verify_shared(text, algorithm, slice_of("", 0));
        for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
            holds |= jwt_verify_public(text, algorithm, keys[i]);
        if (holds)
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct jwt_token token;
    char *text = malloc(size + 1), *scratch = malloc(size ? size : 1);
    if (!text || !scratch)
        abort();
    if (size)
        memcpy(text, data, size);
    text[size] = '\0';
    if (jwt_token_read(slice_of(text, size), scratch, &token) == JWT_TOKEN_SOUND) {
        look(&token);
        jwt_token_free(&token);
        verify(slice_of(text, size));
    }
    (void)base64_decode(slice_of(text, size), true, scratch);
    free(text);
    free(scratch);
    return 0;
}
