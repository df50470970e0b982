/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens without a gateway: faults and their texts, and every cut of a
 * good token. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "worker/plugins/jwt_token.h"
#include <stdlib.h>

/* {"alg":"HS256","typ":"JWT"} . {"iss":"a","exp":5,"nbf":2} */
static const char good[] =
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJhIiwiZXhwIjo1LCJuYmYiOjJ9.AAAA";

static void good_token(void **state)
{
    char scratch[sizeof(good)];
    struct jwt_token token;
    struct slice key;
    (void)state;
    assert_int_equal(jwt_token_read(slice_of(good, sizeof(good) - 1), scratch, &token),
                     JWT_TOKEN_SOUND);
    assert_string_equal(token.alg, "HS256");
    assert_int_equal(jwt_token_key(&token, "iss", &key), JWT_KEY_FOUND);
    assert_true(slice_equal(key, SLICE("a")));
    assert_int_equal(jwt_token_key(&token, "typ", &key), JWT_KEY_FOUND); /* of the header */
    assert_int_equal(jwt_token_key(&token, "exp", &key), JWT_KEY_INVALID);
    assert_int_equal(jwt_token_key(&token, "sub", &key), JWT_KEY_MISSING);
    assert_null(jwt_token_exp(&token, 4));
    assert_string_equal(jwt_token_exp(&token, 5), "token expired");
    assert_null(jwt_token_nbf(&token, 2));
    assert_string_equal(jwt_token_nbf(&token, 1), "token not valid yet");
    assert_null(jwt_token_lifetime(&token, 2, 3));
    assert_string_equal(jwt_token_lifetime(&token, 1, 3), "exceeds maximum allowed expiration");
    jwt_token_free(&token);
}

/* No prefix but the one with another whole signature is sound; each is put at the end of its
 * memory. */
static void every_cut(void **state)
{
    (void)state;
    for (size_t n = 0; n < sizeof(good); n++) {
        char *text = malloc(n + 1), *scratch = malloc(n + 1);
        struct jwt_token token;
        assert_true(text && scratch);
        memcpy(text, good, n);
        enum jwt_token_fault fault = jwt_token_read(slice_of(text, n), scratch, &token);
        if (fault == JWT_TOKEN_SOUND)
            jwt_token_free(&token);
        else
            assert_true(strlen(jwt_token_fault_text(fault)) > 0);
        size_t signature = n - (size_t)(strrchr(good, '.') + 1 - good);
        assert_int_equal(fault == JWT_TOKEN_SOUND, signature <= 4 && signature != 1);
        free(text);
        free(scratch);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_token),
        cmocka_unit_test(every_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
