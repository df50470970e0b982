/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens of any form through everything that reads them before and while the signature is checked:
 * no crash, no read outside, and nothing unsigned verifies.
 */
#include "worker/plugins/jwt_token.h"
#include "worker/plugins/jwt_verify.h"
#include <stdlib.h>

static void look(const struct jwt_token *token)
{
    struct slice key;
    (void)jwt_token_key(token, "iss", &key);
    (void)jwt_token_exp(token, 1700000000);
    (void)jwt_token_nbf(token, 1700000000);
    (void)jwt_token_lifetime(token, 1700000000, 300);
}

/* Keys that no corpus can have signed with: a verified token is a finding. */
static void verify(const char *text)
{
    static const char secret[] = "\x13\x37 never in a corpus \xff\xfe\xfd\x01\x02\x03";
    for (int a = CONF_HS256; a <= CONF_ES512; a++)
        if (jwt_verify_signature(text, (enum conf_jwt_algorithm)a,
                                 slice_of(secret, sizeof(secret) - 1)) ||
            jwt_verify_signature(text, (enum conf_jwt_algorithm)a, slice_of("", 0)))
            abort();
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
        verify(text);
    }
    (void)jwt_token_base64(slice_of(text, size), true, scratch);
    free(text);
    free(scratch);
    return 0;
}
