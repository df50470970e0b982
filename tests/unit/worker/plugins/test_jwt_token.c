/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens without a gateway: base64 against OpenSSL's, faults and their texts, and every cut of a
 * good token. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "worker/plugins/jwt_token.h"
#include <openssl/evp.h>
#include <stdlib.h>

/* Removes the padding and changes to the alphabet of URLs. */
static size_t to_url(char *text, size_t n)
{
    while (n > 0 && text[n - 1] == '=')
        n--;
    for (size_t i = 0; i < n; i++)
        text[i] = text[i] == '+' ? '-' : text[i] == '/' ? '_' : text[i];
    return n;
}

static void base64_equals_openssl(void **state)
{
    unsigned char bytes[64];
    char text[128], out[128];
    (void)state;
    for (unsigned round = 0; round < 20000; round++) {
        size_t length = round % sizeof(bytes);
        for (size_t i = 0; i < length; i++)
            bytes[i] = (unsigned char)random();
        size_t n = (size_t)EVP_EncodeBlock((unsigned char *)text, bytes, (int)length);
        assert_int_equal(jwt_token_base64(slice_of(text, n), true, out), length);
        assert_memory_equal(out, bytes, length);
        n = to_url(text, n);
        assert_int_equal(jwt_token_base64(slice_of(text, n), false, out), length);
        assert_memory_equal(out, bytes, length);
    }
}

static ptrdiff_t decode(const char *text, bool any)
{
    char out[64];
    return jwt_token_base64(slice_of(text, strlen(text)), any, out);
}

static void base64_refuses(void **state)
{
    (void)state;
    static const char *const bad[] = { "A",      "AAAAA", "AB",   "AAB",  "A A=", "AA\n",
                                       "AA==AA", "=",     "AA==", "AAA=", "A+/A" };
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_int_equal(decode(bad[i], false), -1);
    assert_int_equal(decode("AA==", true), 1);
    assert_int_equal(decode("AAA=", true), 2);
    assert_int_equal(decode("A+/_", true), 3);
    assert_int_equal(decode("A===", true), -1);
    assert_int_equal(decode("AA=", true), -1);
    assert_int_equal(decode("====", true), -1);
    assert_int_equal(decode("", false), 0);
}

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
        cmocka_unit_test(base64_equals_openssl),
        cmocka_unit_test(base64_refuses),
        cmocka_unit_test(good_token),
        cmocka_unit_test(every_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
