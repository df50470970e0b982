/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JWK sets: keys of every kind read back as what they were, what each may verify, everything that
 * is no key for us, every cut of a good document, and what becomes of keys that come and go.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "conf/consumer.h"
#include "worker/checker/jwks_read.h"
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>

static struct jwks_set set, before;
static uint32_t skipped;

#define BIT(a) (1U << (a))
enum {
    RSA_ALL = BIT(CONF_RS256) | BIT(CONF_RS384) | BIT(CONF_RS512) | BIT(CONF_PS256) |
              BIT(CONF_PS384) | BIT(CONF_PS512)
};

/* --- making JWKs ---------------------------------------------------------------------------- */

static char *encoded(const unsigned char *bytes, size_t n)
{
    char *out = calloc(1, n * 4 / 3 + 8);
    assert_non_null(out);
    EVP_EncodeBlock((unsigned char *)out, bytes, (int)n);
    for (char *p = out; *p; p++)
        *p = (char)(*p == '+' ? '-' : *p == '/' ? '_' : *p == '=' ? '\0' : *p);
    return out;
}

static char *number(EVP_PKEY *key, const char *param, int size)
{
    BIGNUM *n = NULL;
    unsigned char bytes[2048];
    assert_int_equal(EVP_PKEY_get_bn_param(key, param, &n), 1);
    if (size == 0)
        size = BN_num_bytes(n);
    assert_int_equal(BN_bn2binpad(n, bytes, size), size);
    BN_free(n);
    return encoded(bytes, (size_t)size);
}

static char *entry;

/* A JWK of that key, with more members. */
static const char *jwk(EVP_PKEY *key, const char *more)
{
    char *x = NULL, *y = NULL;
    free(entry);
    if (EVP_PKEY_is_a(key, "RSA")) {
        x = number(key, OSSL_PKEY_PARAM_RSA_N, 0);
        y = number(key, OSSL_PKEY_PARAM_RSA_E, 0);
        assert_true(asprintf(&entry, "{\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"%s\"%s}", x, y, more) >
                    0);
    } else if (EVP_PKEY_is_a(key, "EC")) {
        int bits = EVP_PKEY_get_bits(key), size = (bits + 7) / 8;
        x = number(key, OSSL_PKEY_PARAM_EC_PUB_X, size);
        y = number(key, OSSL_PKEY_PARAM_EC_PUB_Y, size);
        assert_true(asprintf(&entry,
                             "{\"kty\":\"EC\",\"crv\":\"P-%d\",\"x\":\"%s\",\"y\":\"%s\"%s}", bits,
                             x, y, more) > 0);
    } else {
        unsigned char raw[32];
        size_t n = sizeof raw;
        assert_int_equal(EVP_PKEY_get_raw_public_key(key, raw, &n), 1);
        x = encoded(raw, n);
        assert_true(
            asprintf(&entry, "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"%s\"%s}", x, more) > 0);
    }
    free(x);
    free(y);
    return entry;
}

static const char *read_text(const char *text)
{
    /* at the end of its memory, so that a sanitizer sees a byte too many */
    size_t n = strlen(text);
    char *copy = malloc(n ? n : 1);
    assert_non_null(copy);
    memcpy(copy, text, n);
    const char *why = jwks_read(slice_of(copy, n), &set, &skipped);
    free(copy);
    return why;
}

/* The document with that one entry. */
static const char *read_one(const char *one)
{
    char *text;
    assert_true(asprintf(&text, "{\"keys\":[%s]}", one) > 0);
    const char *why = read_text(text);
    free(text);
    return why;
}

static void taken(const char *one, uint32_t algorithms)
{
    assert_null(read_one(one));
    assert_int_equal(set.n, 1);
    assert_int_equal(skipped, 0);
    assert_int_equal(set.keys[0].algorithms, algorithms);
}

static void left_out(const char *one)
{
    assert_string_equal(read_one(one), "the document has no key that verifies signatures");
    assert_int_equal(set.n, 0);
    assert_int_equal(skipped, 1);
}

static EVP_PKEY *rsa, *p256, *p384, *p521, *ed25519;

static int make_keys(void **state)
{
    (void)state;
    rsa = EVP_RSA_gen(2048);
    p256 = EVP_EC_gen("P-256");
    p384 = EVP_EC_gen("P-384");
    p521 = EVP_EC_gen("P-521");
    ed25519 = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    return rsa && p256 && p384 && p521 && ed25519 ? 0 : -1;
}

static int free_keys(void **state)
{
    (void)state;
    EVP_PKEY_free(rsa);
    EVP_PKEY_free(p256);
    EVP_PKEY_free(p384);
    EVP_PKEY_free(p521);
    EVP_PKEY_free(ed25519);
    free(entry);
    return 0;
}

/* --- tests ---------------------------------------------------------------------------------- */

static void every_kind(void **state)
{
    const struct {
        EVP_PKEY *key;
        uint32_t algorithms;
    } kinds[] = { { rsa, RSA_ALL },
                  { p256, BIT(CONF_ES256) },
                  { p384, BIT(CONF_ES384) },
                  { p521, BIT(CONF_ES512) },
                  { ed25519, BIT(CONF_EDDSA) } };
    (void)state;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        taken(jwk(kinds[i].key, ",\"kid\":\"k\",\"x5c\":[\"?\"]"), kinds[i].algorithms);
        const struct jwks_key *k = &set.keys[0];
        const unsigned char *at = k->der;
        EVP_PKEY *back = d2i_PUBKEY(NULL, &at, k->der_n);
        assert_non_null(back);
        assert_int_equal(EVP_PKEY_eq(back, kinds[i].key), 1);
        EVP_PKEY_free(back);
        assert_true(k->has_kid && k->kid_n == 1 && k->kid[0] == 'k');
    }
}

static void what_it_is_for(void **state)
{
    (void)state;
    taken(jwk(rsa, ",\"alg\":\"PS384\",\"use\":\"sig\",\"key_ops\":[\"verify\"]"), BIT(CONF_PS384));
    taken(jwk(rsa, ",\"key_ops\":[\"x\",\"verify\"]"), RSA_ALL);
    assert_false(set.keys[0].has_kid);
    static const char *const others[] = {
        ",\"alg\":\"ES256\"",
        ",\"alg\":\"RSA-OAEP\"",
        ",\"alg\":\"HS256\"",
        ",\"alg\":\"none\"",
        ",\"alg\":7",
        ",\"alg\":\"\"",
        ",\"use\":\"enc\"",
        ",\"use\":null",
        ",\"use\":[\"sig\"]",
        ",\"key_ops\":[]",
        ",\"key_ops\":[\"sign\"]",
        ",\"key_ops\":\"verify\"",
        ",\"d\":\"AAAA\"",
        ",\"k\":\"AAAA\"",
        ",\"kid\":7",
        ",\"kid\":[\"k\"]",
        ",\"alg\":[\"RS256\"]",
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        left_out(jwk(rsa, others[i]));
    left_out(jwk(p256, ",\"alg\":\"ES384\""));
    left_out(jwk(p256, ",\"alg\":\"RS256\""));
    left_out(jwk(ed25519, ",\"alg\":\"ES256\""));
}

static void no_keys(void **state)
{
    static const char *const entries[] = {
        "{}",
        "[]",
        "7",
        "\"x\"",
        "null",
        "{\"kty\":7}",
        "{\"kty\":\"oct\",\"k\":\"AAAA\"}",
        "{\"kty\":\"RSA\"}",
        "{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"}",
        "{\"kty\":\"RSA\",\"n\":\"\",\"e\":\"\"}",
        "{\"kty\":\"RSA\",\"n\":\"AAAA\",\"e\":\"AQAB\"}",
        "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AA\",\"y\":\"AA\"}",
        "{\"kty\":\"EC\",\"crv\":\"secp256k1\",\"x\":\"AA\",\"y\":\"AA\"}",
        "{\"kty\":\"OKP\",\"crv\":\"X25519\",\"x\":\"AA\"}",
        "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AA\"}",
        "{\"kty\":\"OKP\",\"crv\":\"Ed448\",\"x\":\"AA\"}",
        /* a point that is not on the curve */
        "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE\","
        "\"y\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE\"}",
        "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\","
        "\"y\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}",
    };
    (void)state;
    for (size_t i = 0; i < sizeof entries / sizeof *entries; i++)
        left_out(entries[i]);
}

/* RSA keys with that modulus' length and exponent. */
static void rsa_bounds(void **state)
{
    static const struct {
        int bits;
        const char *e;
        bool fine;
    } cases[] = { { 1024, "AQAB", false },        { 2047, "AQAB", false }, { 2048, "AQAB", true },
                  { 8192, "AQAB", true },         { 8193, "AQAB", false }, { 2048, "Aw", true },
                  { 2048, "AQ", false },          { 2048, "Ag", false },   { 2048, "AAAD", true },
                  { 2048, "AQAAAAAAAAAB", false } };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        unsigned char bytes[1100] = { 0 };
        size_t n = (size_t)(cases[i].bits + 7) / 8;
        memset(bytes, 0x55, n);
        bytes[0] = (unsigned char)(1 << (cases[i].bits - 1) % 8);
        bytes[n - 1] |= 1;
        char *modulus = encoded(bytes, n), *one;
        assert_true(
            asprintf(&one, "{\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"%s\"}", modulus, cases[i].e) > 0);
        if (cases[i].fine)
            taken(one, RSA_ALL);
        else
            left_out(one);
        free(one);
        free(modulus);
    }
}

static void names(void **state)
{
    char more[JWKS_KID + 32];
    (void)state;
    for (int n = JWKS_KID - 1; n <= JWKS_KID + 1; n++) {
        snprintf(more, sizeof more, ",\"kid\":\"%0*d\"", n, 7);
        if (n <= JWKS_KID)
            taken(jwk(p256, more), BIT(CONF_ES256));
        else
            left_out(jwk(p256, more));
    }
    taken(jwk(p256, ",\"kid\":\"\""), BIT(CONF_ES256));
    assert_true(set.keys[0].has_kid);
}

static void documents(void **state)
{
    static const struct {
        const char *text, *why;
    } cases[] = {
        { "", "the document is not JSON" },
        { "{", "the document is not JSON" },
        { "{\"keys\":[]} {}", "the document is not JSON" },
        { "{\"keys\":[],\"keys\":[]}", "the document is not JSON" },
        { "[]", "the document is no JWK set" },
        { "{\"keys\":{}}", "the document is no JWK set" },
        { "{\"Keys\":[]}", "the document is no JWK set" },
        { "{\"keys\":[]}", "the document has no key that verifies signatures" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(read_text(cases[i].text), cases[i].why);
    assert_string_equal(jwks_read(slice_of(NULL, 0), &set, &skipped), "the document is not JSON");
    static char large[JWKS_READ_MAX + 1];
    assert_string_equal(jwks_read(slice_of(large, sizeof large), &set, &skipped),
                        "the document is too large");
}

static void as_many_as_there_is_room_for(void **state)
{
    char *text = NULL;
    size_t n;
    FILE *out = open_memstream(&text, &n);
    (void)state;
    assert_non_null(out);
    fprintf(out, "{\"keys\":[{}");
    for (int i = 0; i < JWKS_KEYS + 5; i++) {
        char more[32];
        snprintf(more, sizeof more, ",\"kid\":\"%d\"", i);
        (void)jwk(p256, more);
        fprintf(out, ",%s,%s", entry, entry);
    }
    fprintf(out, "]}");
    fclose(out);
    assert_null(jwks_read(slice_of(text, n), &set, &skipped));
    assert_int_equal(set.n, JWKS_KEYS);
    assert_int_equal(skipped, 1 + 2 * (JWKS_KEYS + 5) - JWKS_KEYS);
    free(text);
}

static void every_cut(void **state)
{
    char *text;
    (void)state;
    jwk(p256, ",\"kid\":\"k\"");
    assert_true(asprintf(&text, "{\"keys\":[%s]}", entry) > 0);
    for (size_t n = strlen(text); n-- > 0;) {
        text[n] = '\0';
        assert_non_null(read_text(text));
    }
    free(text);
}

/* --- coming and going ----------------------------------------------------------------------- */

static struct jwks_key *named(struct jwks_set *in, const char *kid)
{
    for (uint32_t i = 0; i < in->n; i++)
        if (in->keys[i].kid_n == strlen(kid) && memcmp(in->keys[i].kid, kid, strlen(kid)) == 0)
            return &in->keys[i];
    return NULL;
}

/* A set of keys called "a", "b", ...; each letter's key is `of` its own, or another in capitals. */
static void make_set(struct jwks_set *out, const char *letters)
{
    memset(out, 0, sizeof *out);
    for (; *letters; letters++) {
        struct jwks_key *k = &out->keys[out->n++];
        k->has_kid = *letters != '-';
        k->kid_n = k->has_kid;
        k->kid[0] = (char)(*letters | 0x20);
        k->der_n = 1;
        k->der[0] = (uint8_t)*letters;
        k->algorithms = BIT(CONF_ES256);
    }
}

static bool merge(const char *letters, int64_t at)
{
    before = set;
    make_set(&set, letters);
    return jwks_read_merge(&set, &before, at, 100);
}

static void keys_come_and_go(void **state)
{
    (void)state;
    make_set(&set, "");
    assert_true(merge("ab", 1000));
    assert_int_equal(named(&set, "a")->since, 1000);
    assert_false(merge("ba", 1010));
    assert_int_equal(named(&set, "a")->since, 1000);
    assert_true(merge("ac", 1020));
    assert_int_equal(set.n, 3);
    assert_int_equal(named(&set, "b")->gone, 1020);
    assert_int_equal(named(&set, "b")->since, 1000);
    assert_int_equal(named(&set, "c")->since, 1020);
    assert_false(merge("ac", 1119)); /* still in its grace */
    assert_int_equal(named(&set, "b")->gone, 1020);
    assert_true(merge("ac", 1120));
    assert_null(named(&set, "b"));
    assert_false(merge("ac", 1121));
}

static void a_key_comes_back(void **state)
{
    (void)state;
    make_set(&set, "");
    merge("ab", 1000);
    merge("a", 1010);
    assert_true(merge("ab", 1020));
    assert_int_equal(set.n, 2);
    assert_int_equal(named(&set, "b")->gone, 0);
    assert_int_equal(named(&set, "b")->since, 1000);
}

static void a_name_changes_hands(void **state)
{
    (void)state;
    make_set(&set, "");
    merge("a", 1000);
    assert_true(merge("A", 1010));
    assert_int_equal(set.n, 1);
    assert_int_equal(set.keys[0].der[0], 'A');
    assert_int_equal(set.keys[0].since, 1010);
}

static void another_use_is_news(void **state)
{
    (void)state;
    make_set(&set, "");
    merge("a", 1000);
    before = set;
    make_set(&set, "a");
    set.keys[0].algorithms = BIT(CONF_ES384);
    assert_true(jwks_read_merge(&set, &before, 1010, 100));
    assert_int_equal(set.keys[0].since, 1000);
}

static void no_room_for_what_went(void **state)
{
    (void)state;
    memset(&set, 0, sizeof set);
    for (int round = 0; round < 2; round++) {
        before = set;
        memset(&set, 0, sizeof set);
        set.n = JWKS_KEYS - 1;
        for (uint32_t i = 0; i < set.n; i++) {
            set.keys[i].der_n = 2;
            set.keys[i].der[0] = (uint8_t)round;
            set.keys[i].der[1] = (uint8_t)i;
        }
        assert_true(jwks_read_merge(&set, &before, 1000 + round, 100));
    }
    assert_int_equal(set.n, JWKS_KEYS);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind),
        cmocka_unit_test(what_it_is_for),
        cmocka_unit_test(no_keys),
        cmocka_unit_test(rsa_bounds),
        cmocka_unit_test(names),
        cmocka_unit_test(documents),
        cmocka_unit_test(every_cut),
        cmocka_unit_test(as_many_as_there_is_room_for),
        cmocka_unit_test(keys_come_and_go),
        cmocka_unit_test(a_key_comes_back),
        cmocka_unit_test(a_name_changes_hands),
        cmocka_unit_test(another_use_is_news),
        cmocka_unit_test(no_room_for_what_went),
    };
    return cmocka_run_group_tests(tests, make_keys, free_keys);
}
