/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signatures: the examples of RFC 7515 and RFC 8037, every algorithm signed here by OpenSSL, and
 * for each of them what must not verify: changed bytes, cut bytes, every other algorithm, keys of
 * another kind or curve. (test_jwt.c signs with another library.)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "worker/http/base64.h"
#include "worker/plugins/jwt_token.h"
#include "worker/plugins/jwt_verify.h"
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECRET "a shared secret of 32 bytes, or more!"

enum { HEAD = 64, PLACES = CONF_JWT_ALGORITHMS };

static EVP_PKEY *keys[PLACES]; /* by algorithm; NULL with HS* */
static char token[2048];

static const char *const curves[] = {
    [CONF_ES256] = "P-256", [CONF_ES384] = "P-384", [CONF_ES512] = "P-521"
};
static const EVP_MD *(*const digests[PLACES])(void) = {
    EVP_sha256, EVP_sha384, EVP_sha512, EVP_sha256, EVP_sha384, EVP_sha512,
    EVP_sha256, EVP_sha384, EVP_sha512, EVP_sha256, EVP_sha384, EVP_sha512,
};

static bool is_rsa(int algorithm)
{
    return (algorithm >= CONF_RS256 && algorithm <= CONF_RS512) ||
           (algorithm >= CONF_PS256 && algorithm <= CONF_PS512);
}

static int make_keys(void **state)
{
    (void)state;
    EVP_PKEY *rsa = EVP_RSA_gen(2048);
    for (int a = CONF_RS256; a < PLACES; a++) {
        if (is_rsa(a)) {
            EVP_PKEY_up_ref(rsa);
            keys[a] = rsa;
        } else {
            keys[a] =
                a == CONF_EDDSA ? EVP_PKEY_Q_keygen(NULL, NULL, "ED25519") : EVP_EC_gen(curves[a]);
        }
        assert_non_null(keys[a]);
    }
    EVP_PKEY_free(rsa);
    return 0;
}

static int free_keys(void **state)
{
    (void)state;
    for (int a = 0; a < PLACES; a++)
        EVP_PKEY_free(keys[a]);
    return 0;
}

/* --- signing -------------------------------------------------------------------------------- */

static void append(const unsigned char *bytes, size_t n)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    size_t at = strlen(token);
    for (size_t i = 0; i < n; i += 3) {
        uint32_t bits = (uint32_t)bytes[i] << 16 | (i + 1 < n ? (uint32_t)bytes[i + 1] << 8 : 0) |
                        (i + 2 < n ? (uint32_t)bytes[i + 2] : 0);
        for (size_t j = 0; j < 4 && i + j <= n; j++)
            token[at++] = digits[bits >> (18 - 6 * j) & 63];
    }
    token[at] = '\0';
}

/* DER to two numbers of `size` bytes side by side. */
static size_t to_raw(unsigned char *bytes, size_t n, int size)
{
    const unsigned char *at = bytes;
    ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &at, (long)n);
    assert_non_null(pair);
    assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_r(pair), bytes, size), size);
    assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_s(pair), bytes + size, size), size);
    ECDSA_SIG_free(pair);
    return (size_t)size * 2;
}

static size_t sign_public(int algorithm, EVP_PKEY *key, unsigned char *out, size_t room)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *of_key = NULL;
    size_t n = room;
    assert_int_equal(EVP_DigestSignInit(
                         ctx, &of_key, digests[algorithm] ? digests[algorithm]() : NULL, NULL, key),
                     1);
    if (algorithm >= CONF_PS256 && algorithm <= CONF_PS512) {
        assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(of_key, RSA_PKCS1_PSS_PADDING), 1);
        assert_int_equal(EVP_PKEY_CTX_set_rsa_pss_saltlen(of_key, RSA_PSS_SALTLEN_DIGEST), 1);
    }
    assert_int_equal(EVP_DigestSign(ctx, out, &n, (unsigned char *)token, strlen(token)), 1);
    EVP_MD_CTX_free(ctx);
    return n;
}

/* A token in `token`, signed with the algorithm and a key that fits it. */
static struct slice sign(int algorithm, EVP_PKEY *key)
{
    static const int sizes[PLACES] = { [CONF_ES256] = 32, [CONF_ES384] = 48, [CONF_ES512] = 66 };
    unsigned char bytes[512];
    size_t n = 0;
    unsigned mac = 0;
    snprintf(token, sizeof token, "eyJhbGciOiJ4In0.eyJhIjoxfQ");
    if (algorithm <= CONF_HS512) {
        HMAC(digests[algorithm](), SECRET, strlen(SECRET), (unsigned char *)token, strlen(token),
             bytes, &mac);
        n = mac;
    } else {
        n = sign_public(algorithm, key, bytes, sizeof bytes);
    }
    if (sizes[algorithm])
        n = to_raw(bytes, n, sizes[algorithm]);
    strcat(token, ".");
    append(bytes, n);
    return slice_of(token, strlen(token));
}

static bool holds(struct slice text, int algorithm, EVP_PKEY *key)
{
    bool shared = jwt_verify_shared(text, (enum conf_jwt_algorithm)algorithm, SLICE(SECRET));
    bool public = jwt_verify_public(text, (enum conf_jwt_algorithm)algorithm, key);
    assert_false(shared && public);
    assert_int_equal(ERR_peek_error(), 0);
    return shared || public;
}

/* --- tests ---------------------------------------------------------------------------------- */

static void every_algorithm_by_itself_alone(void **state)
{
    (void)state;
    for (int a = 0; a < PLACES; a++) {
        struct slice text = sign(a, keys[a]);
        for (int b = 0; b < PLACES; b++)
            for (int of = 0; of < PLACES; of++) {
                bool same_key = keys[of] == keys[a] && (a > CONF_HS512 || of == a);
                if (a <= CONF_HS512)
                    assert_int_equal(holds(text, b, keys[of]), b == a);
                else
                    assert_int_equal(holds(text, b, keys[of]), b == a && same_key);
            }
    }
}

static void changed_or_cut_bytes(void **state)
{
    (void)state;
    for (int a = 0; a < PLACES; a++) {
        struct slice text = sign(a, keys[a]);
        assert_true(holds(text, a, keys[a]));
        for (size_t i = 0; i < text.n; i += 7) { /* the text and the signature, all over */
            char was = token[i];
            if (was == '.')
                continue;
            token[i] = was == 'B' ? 'C' : 'B';
            assert_false(holds(text, a, keys[a]));
            token[i] = was;
        }
        assert_false(holds(slice_of(token, text.n - 4), a, keys[a]));
        const char *dot = strrchr(token, '.');
        assert_false(holds(slice_of(token, (size_t)(dot - token) + 1), a, keys[a]));
        assert_false(holds(slice_of(token, (size_t)(dot - token)), a, keys[a]));
        strcat(token, "AAAA");
        assert_false(holds(slice_of(token, text.n + 4), a, keys[a]));
        assert_true(holds(slice_of(token, text.n), a, keys[a]));
    }
    assert_false(holds(slice_of(NULL, 0), CONF_RS256, keys[CONF_RS256]));
    memset(token, 'A', sizeof token);
    token[10] = '.';
    assert_false(holds(slice_of(token, sizeof token), CONF_RS256, keys[CONF_RS256]));
}

static void keys_that_do_not_fit(void **state)
{
    EVP_PKEY *twin = EVP_EC_gen("secp256k1"), *small = EVP_RSA_gen(1024);
    EVP_PKEY *ed448 = EVP_PKEY_Q_keygen(NULL, NULL, "ED448");
    (void)state;
    assert_false(holds(sign(CONF_ES256, twin), CONF_ES256, twin)); /* 256 bits, another curve */
    assert_false(holds(sign(CONF_RS256, small), CONF_RS256, small));
    assert_false(holds(sign(CONF_EDDSA, ed448), CONF_EDDSA, ed448));
    assert_false(holds(sign(CONF_RS256, keys[CONF_RS256]), CONF_RS256, NULL));
    struct slice text = sign(CONF_HS256, NULL);
    assert_false(jwt_verify_shared(text, CONF_HS256, slice_of("", 0)));
    assert_false(jwt_verify_shared(text, CONF_HS256, SLICE("another")));
    EVP_PKEY_free(twin);
    EVP_PKEY_free(small);
    EVP_PKEY_free(ed448);
}

/* Nothing signed by r = s = 0, which careless readers take (CVE-2022-21449). */
static void zeros_are_no_signature(void **state)
{
    static const unsigned char zeros[132];
    static const size_t sizes[] = { 64, 96, 132 };
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        snprintf(token, sizeof token, "eyJhbGciOiJ4In0.eyJhIjoxfQ.");
        append(zeros, sizes[i]);
        assert_false(
            holds(slice_of(token, strlen(token)), CONF_ES256 + (int)i, keys[CONF_ES256 + (int)i]));
    }
}

static size_t decode(const char *text, unsigned char *out)
{
    ptrdiff_t n = base64_decode(slice_of(text, strlen(text)), false, (char *)out);
    assert_true(n > 0);
    return (size_t)n;
}

static void example_of_rfc7515_a1(void **state)
{
    unsigned char key[128];
    size_t n =
        decode("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1"
               "Z9CAow",
               key);
    (void)state;
    assert_true(jwt_verify_shared(SLICE("eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9."
                                        "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQo"
                                        "gImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ."
                                        "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEj"
                                        "Xk"),
                                  CONF_HS256, slice_of((char *)key, n)));
}

static void example_of_rfc7515_a3(void **state)
{
    unsigned char point[100] = { 4 };
    EVP_PKEY *key = NULL;
    (void)state;
    assert_int_equal(decode("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", point + 1), 32);
    assert_int_equal(decode("x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0", point + 33), 32);
    OSSL_PARAM params[] = { OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME,
                                                             (char[]){ "prime256v1" }, 0),
                            OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, 65),
                            OSSL_PARAM_construct_end() };
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    assert_int_equal(EVP_PKEY_fromdata_init(ctx), 1);
    assert_int_equal(EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params), 1);
    EVP_PKEY_CTX_free(ctx);
    assert_true(jwt_verify_public(
        SLICE("eyJhbGciOiJFUzI1NiJ9."
              "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGx"
              "lLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-"
              "F4GawxaepmXFCgfTjDxw5djxLa8IS"
              "lSApmWQxfKTUJqPP3-Kg6NU1Q"),
        CONF_ES256, key));
    EVP_PKEY_free(key);
}

static void example_of_rfc8037_a4(void **state)
{
    unsigned char point[48];
    (void)state;
    assert_int_equal(decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", point), 32);
    EVP_PKEY *key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, point, 32);
    assert_non_null(key);
    assert_true(jwt_verify_public(SLICE("eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc."
                                        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09P"
                                        "GcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"),
                                  CONF_EDDSA, key));
    EVP_PKEY_free(key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_algorithm_by_itself_alone),
        cmocka_unit_test(changed_or_cut_bytes),
        cmocka_unit_test(keys_that_do_not_fit),
        cmocka_unit_test(zeros_are_no_signature),
        cmocka_unit_test(example_of_rfc7515_a1),
        cmocka_unit_test(example_of_rfc7515_a3),
        cmocka_unit_test(example_of_rfc8037_a4),
    };
    return cmocka_run_group_tests(tests, make_keys, free_keys);
}
