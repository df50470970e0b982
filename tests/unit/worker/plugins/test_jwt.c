/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jwt: tokens signed here by libjwt and OpenSSL with every algorithm, where they may be, each way
 * of refusing with the text that it has in Kong, and forgeries: none, another algorithm, a public
 * key as a shared secret.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "conf/jwt_key.h"
#include "conf/plugins/plugin_jwt.h"
#include "tests/unit/worker/fake_stream.c"
#include "worker/plugins/jwt_token.h"
#include "worker/plugins/plugins.h"
#include <jwt.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

enum { NOW = 1700000000, KINDS = 9 };

static struct stream s;
static struct conf_consumer alice, nobody;
static struct conf_jwt_secret secrets[KINDS]; /* by algorithm */
static char *signing_keys[KINDS];             /* PEM or the shared secret */
static char *public_pem[KINDS];
static char issuers[KINDS][8];
static struct conf_text header_names[1], uri_names[1], cookie_names[1];
static struct conf_jwt config;
static bool
    remembers; /* between two requests; the rest of the tests change what it was judged by */

static const jwt_alg_t libjwt_algorithm[KINDS] = { JWT_ALG_HS256, JWT_ALG_HS384, JWT_ALG_HS512,
                                                   JWT_ALG_RS256, JWT_ALG_RS384, JWT_ALG_RS512,
                                                   JWT_ALG_ES256, JWT_ALG_ES384, JWT_ALG_ES512 };

/* --- keys and tokens ------------------------------------------------------------------------ */

static char *pem_of(EVP_PKEY *key, bool private)
{
    char *p, *out;
    BIO *bio = BIO_new(BIO_s_mem());
    assert_non_null(bio);
    assert_int_equal(private ? PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL)
                             : PEM_write_bio_PUBKEY(bio, key),
                     1);
    long n = BIO_get_mem_data(bio, &p);
    out = strndup(p, (size_t)n);
    BIO_free(bio);
    return out;
}

static EVP_PKEY *new_key(int kind)
{
    if (kind < CONF_ES256)
        return EVP_RSA_gen(2048);
    return EVP_EC_gen(kind == CONF_ES256 ? "P-256" : kind == CONF_ES384 ? "P-384" : "P-521");
}

static void make_secret(int kind)
{
    snprintf(issuers[kind], sizeof(issuers[kind]), "%s",
             jwt_key_algorithm((enum conf_jwt_algorithm)kind));
    struct conf_jwt_secret *secret = &secrets[kind];
    *secret = (struct conf_jwt_secret){ .key = fake_text(issuers[kind]),
                                        .id = fake_text("id"),
                                        .algorithm = (enum conf_jwt_algorithm)kind,
                                        .secret = fake_text(""),
                                        .consumer = &alice };
    if (kind <= CONF_HS512) {
        signing_keys[kind] = strdup("a shared secret of 32 bytes, or more!");
        secret->secret = fake_text(signing_keys[kind]);
        return;
    }
    EVP_PKEY *key = new_key(kind);
    assert_non_null(key);
    signing_keys[kind] = pem_of(key, true);
    public_pem[kind] = pem_of(key, false);
    secret->public_key = key;
}

static int make_secrets(void **state)
{
    (void)state;
    alice = (struct conf_consumer){ .username = fake_text("alice"), .id = fake_text("a1") };
    nobody = (struct conf_consumer){ .username = fake_text("nobody"), .id = fake_text("n0") };
    for (int kind = 0; kind < KINDS; kind++) {
        make_secret(kind);
        s.credentials.secrets[kind] = &secrets[kind];
    }
    s.credentials.secrets_n = KINDS;
    return 0;
}

static int free_secrets(void **state)
{
    (void)state;
    for (int kind = 0; kind < KINDS; kind++) {
        free(signing_keys[kind]);
        free(public_pem[kind]);
        EVP_PKEY_free(secrets[kind].public_key);
    }
    return 0;
}

static char token[4096];

/* The token of these claims, signed with `key` by an algorithm. */
static const char *sign_with(const char *claims, jwt_alg_t algorithm, const char *key)
{
    jwt_t *jwt = NULL;
    assert_int_equal(jwt_new(&jwt), 0);
    assert_int_equal(jwt_add_grants_json(jwt, claims), 0);
    assert_int_equal(
        jwt_set_alg(jwt, algorithm, (const unsigned char *)key, key ? (int)strlen(key) : 0), 0);
    char *out = jwt_encode_str(jwt);
    assert_non_null(out);
    snprintf(token, sizeof(token), "%s", out);
    free(out);
    jwt_free(jwt);
    return token;
}

static const char *sign(const char *claims)
{
    return sign_with(claims, JWT_ALG_HS256, signing_keys[CONF_HS256]);
}

static void encode(char *out, size_t size, const char *text)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    size_t n = strlen(text), at = strlen(out);
    for (size_t i = 0; i < n; i += 3) {
        uint32_t bits = (uint32_t)(unsigned char)text[i] << 16;
        bits |= i + 1 < n ? (uint32_t)(unsigned char)text[i + 1] << 8 : 0;
        bits |= i + 2 < n ? (uint32_t)(unsigned char)text[i + 2] : 0;
        for (size_t j = 0; j < 4 && i + j <= n; j++) {
            assert_true(at + 1 < size);
            out[at++] = digits[bits >> (18 - 6 * j) & 63];
        }
    }
    out[at] = '\0';
}

/* A token of any texts, with a signature of any text. */
static const char *forge(const char *header, const char *claims, const char *signature)
{
    token[0] = '\0';
    encode(token, sizeof(token), header);
    strcat(token, ".");
    encode(token, sizeof(token), claims);
    strcat(token, ".");
    strcat(token, signature);
    return token;
}

/* --- running -------------------------------------------------------------------------------- */

static int setup(void **state)
{
    (void)state;
    header_names[0] = fake_text("authorization");
    uri_names[0] = fake_text("jwt");
    cookie_names[0] = fake_text("session");
    s.now_ms = (int64_t)NOW * 1000;
    remembers = false;
    config = (struct conf_jwt){ .uri_param_names = { uri_names, 1 },
                                .cookie_names = { cookie_names, 1 },
                                .header_names = { header_names, 1 },
                                .key_claim_name = fake_text("iss"),
                                .run_on_preflight = true,
                                .realm = fake_text("") };
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fake_free(&s);
    return 0;
}

__attribute__((format(printf, 1, 2))) static enum stage_result run(const char *format, ...)
{
    char request[16384];
    va_list args;
    va_start(args, format);
    vsnprintf(request, sizeof(request), format, args);
    va_end(args);
    fake_request(&s, request);
    if (!remembers)
        verified_free(&s.verified);
    return jwt_ops.access(&s, &config);
}

static void expect_known(enum stage_result result, const char *issuer)
{
    assert_int_equal(result, STAGE_NEXT);
    assert_ptr_equal(s.consumer, &alice);
    assert_false(s.anonymous);
    assert_true(slice_equal(s.credential, slice_of(issuer, strlen(issuer))));
    assert_int_equal(s.status, 0);
}

static void expect_slice(struct slice got, const char *wanted)
{
    char text[512];
    snprintf(text, sizeof(text), "%.*s", (int)got.n, got.p ? got.p : "");
    assert_string_equal(text, wanted);
}

static void expect_refusal(enum stage_result result, const char *message)
{
    assert_int_equal(result, STAGE_DONE);
    assert_int_equal(s.status, 401);
    assert_null(s.consumer);
    expect_slice(s.message, message);
    expect_slice(*fake_response(&s, "WWW-Authenticate"), "Bearer error=\"invalid_token\"");
}

static void expect_faults(enum stage_result result, const char *body)
{
    expect_refusal(result, "");
    expect_slice(s.body, body);
    expect_slice(s.content_type, "application/json; charset=utf-8");
}

static enum stage_result bearer(const char *t)
{
    return run("GET /\nAuthorization: Bearer %s\n", t);
}

/* --- tests ---------------------------------------------------------------------------------- */

static void every_algorithm(void **state)
{
    (void)state;
    for (int kind = 0; kind < KINDS; kind++) {
        char claims[128];
        snprintf(claims, sizeof(claims), "{\"iss\":\"%s\"}", issuers[kind]);
        expect_known(bearer(sign_with(claims, libjwt_algorithm[kind], signing_keys[kind])),
                     issuers[kind]);
        char *last = token + strlen(token) - 10; /* a bit of the signature */
        *last = *last == 'A' ? 'B' : 'A';
        expect_refusal(bearer(token), "Invalid signature");
        for (int other = 0; other < KINDS; other++) {
            if (other == kind)
                continue;
            snprintf(claims, sizeof(claims), "{\"iss\":\"%s\"}", issuers[other]);
            expect_refusal(bearer(sign_with(claims, libjwt_algorithm[kind], signing_keys[kind])),
                           "Invalid algorithm");
        }
    }
}

static void wherever_it_may_be(void **state)
{
    const char *t = sign("{\"iss\":\"HS256\"}");
    (void)state;
    expect_known(run("GET /\nauthorization: bearer %s\n", t), "HS256");
    expect_known(run("GET /\nAuthorization: BEARER   %s\n", t), "HS256");
    expect_known(run("GET /?a=b&jwt=%s\n", t), "HS256");
    expect_known(run("GET /\nCookie: a=b; session=%s; c=d\n", t), "HS256");
    expect_known(run("GET /\nCookie: a=b\nCookie: Session=%s\n", t), "HS256");
    expect_known(run("GET /?jwt=%s\nCookie: session=%s\nAuthorization: Bearer %s\n", t, t, t),
                 "HS256");
    expect_known(run("GET /?jwt=&jwt=%s\nAuthorization: Basic YTpi\n", t), "HS256");
    config.cookie_names.n = config.uri_param_names.n = 0;
    header_names[0] = fake_text("x-token");
    expect_known(run("GET /\nX-Token: Bearer %s\n", t), "HS256");
    static const char *const nowhere[] = { "GET /?jwt=%s\n", "GET /\nCookie: session=%s\n",
                                           "GET /\nAuthorization: Bearer %s\n",
                                           "GET /\nX-Token: %s\n", "GET /\nX-Token: Bearer%s\n" };
    for (size_t i = 0; i < 5; i++) {
        char request[8192];
        const char *at = strstr(nowhere[i], "%s");
        snprintf(request, sizeof(request), "%.*s%s%s", (int)(at - nowhere[i]), nowhere[i], t,
                 at + 2);
        assert_int_equal(run("%s", request), STAGE_DONE);
        expect_slice(s.message, "Unauthorized");
        expect_slice(*fake_response(&s, "WWW-Authenticate"), "Bearer");
    }
}

static void several_tokens(void **state)
{
    char first[1024];
    (void)state;
    snprintf(first, sizeof(first), "%s", sign("{\"iss\":\"HS256\",\"n\":1}"));
    const char *second = sign("{\"iss\":\"HS256\",\"n\":2}");
    expect_refusal(run("GET /?jwt=%s&jwt=%s\n", first, second), "Multiple tokens provided");
    expect_refusal(run("GET /?jwt=%s\nAuthorization: Bearer %s\n", first, second),
                   "Multiple tokens provided");
    expect_refusal(run("GET /\nCookie: session=%s; session=%s\n", first, second),
                   "Multiple tokens provided");
    expect_refusal(
        run("GET /\nAuthorization: Bearer %s\nAuthorization: Bearer %s\n", first, second),
        "Multiple tokens provided");
    expect_refusal(run("GET /?jwt&jwt=%s\n", first), "Multiple tokens provided");
    expect_refusal(run("GET /?jwt\n"), "Unrecognizable token");
}

static void malformed_tokens(void **state)
{
    static const char *const no_json[] = { "x",          "a.b",       "..",       ".",
                                           "e30",        "e30.e30",   "e3.e30.",  "e30.e3!.",
                                           "e30=.e30.x", "e31.e30.x", "bm8.e30.x" };
    (void)state;
    for (size_t i = 0; i < sizeof(no_json) / sizeof(*no_json); i++)
        expect_refusal(bearer(no_json[i]), "Bad token; invalid JSON");
    expect_refusal(bearer("e30.e30.x"), "Bad token; invalid alg");
    expect_refusal(bearer(forge("{\"alg\":\"none\"}", "{\"iss\":\"HS256\"}", "")),
                   "Bad token; invalid alg");
    expect_refusal(bearer(forge("{\"alg\":\"hs256\"}", "{\"iss\":\"HS256\"}", "AAAA")),
                   "Bad token; invalid alg");
    expect_refusal(bearer(forge("{\"alg\":[\"HS256\"]}", "{\"iss\":\"HS256\"}", "AAAA")),
                   "Bad token; invalid alg");
    expect_refusal(bearer(forge("[]", "{\"iss\":\"HS256\"}", "AAAA")), "Bad token; invalid alg");
    expect_refusal(bearer(forge("{\"alg\":\"HS256\",\"alg\":\"HS256\"}", "{}", "AAAA")),
                   "Bad token; invalid JSON");
    expect_refusal(bearer(forge("{\"alg\":\"HS256\"} x", "{}", "AAAA")), "Bad token; invalid JSON");
    expect_refusal(bearer(forge("{\"alg\":\"HS256\"}", "[\"iss\"]", "AAAA")),
                   "Bad token; invalid claims");
    expect_refusal(bearer(forge("{\"alg\":\"HS256\"}", "7", "AAAA")), "Bad token; invalid claims");
    expect_refusal(bearer(forge("{\"alg\":\"HS256\"}", "{\"iss\":\"HS256\"}", "A+==")),
                   "Bad token; invalid signature");
    expect_refusal(bearer(forge("{\"alg\":\"HS256\"}", "{\"iss\":\"HS256\"}", "AA.A")),
                   "Bad token; invalid signature");
    expect_refusal(bearer(forge("{\"alg\":\"HS256\"}", "{\"iss\":\"HS256\"}", "")),
                   "Invalid signature");
    expect_refusal(bearer(forge("{\"alg\":\"PS256\"}", "{\"iss\":\"HS256\"}", "AAAA")),
                   "Invalid algorithm");
    expect_refusal(run("GET /?jwt=%s%%00\n", sign("{\"iss\":\"HS256\"}")),
                   "Bad token; invalid signature");
}

static void the_claim_that_names_the_key(void **state)
{
    (void)state;
    expect_refusal(bearer(sign("{}")), "No mandatory 'iss' in claims");
    expect_refusal(bearer(sign("{\"iss\":\"\"}")), "Invalid 'iss' in claims");
    expect_refusal(bearer(sign("{\"iss\":7}")), "Invalid 'iss' in claims");
    expect_refusal(bearer(sign("{\"iss\":\"nobody's\"}")), "No credentials found for given 'iss'");
    expect_refusal(bearer(forge("{\"alg\":\"HS256\",\"kid\":\"HS256\"}", "{}", "AAAA")),
                   "No mandatory 'iss' in claims");
    config.key_claim_name = fake_text("kid");
    expect_refusal(bearer(forge("{\"alg\":\"HS256\",\"kid\":\"HS256\"}", "{}", "AAAA")),
                   "Invalid signature");
    expect_refusal(bearer(sign("{\"iss\":\"HS256\"}")), "No mandatory 'kid' in claims");
    expect_known(bearer(sign("{\"kid\":\"HS256\"}")), "HS256");
}

static void forgeries(void **state)
{
    char text[1024];
    (void)state;
    /* the public key is no secret: nobody may sign with it */
    sign_with("{\"iss\":\"RS256\"}", JWT_ALG_HS256, public_pem[CONF_RS256]);
    expect_refusal(bearer(token), "Invalid algorithm");
    sign_with("{\"iss\":\"HS256\"}", JWT_ALG_HS256, "another secret of 32 bytes or more...");
    expect_refusal(bearer(token), "Invalid signature");
    /* other claims under a good signature */
    snprintf(text, sizeof(text), "%s", sign("{\"iss\":\"HS256\",\"admin\":false}"));
    const char *signature = strrchr(text, '.') + 1;
    forge("{\"typ\":\"JWT\",\"alg\":\"HS256\"}", "{\"admin\":true,\"iss\":\"HS256\"}", signature);
    expect_refusal(bearer(token), "Invalid signature");
    /* a credential without a key signs nothing */
    struct conf_text kept = secrets[CONF_HS256].secret;
    secrets[CONF_HS256].secret = fake_text("");
    expect_refusal(bearer(sign("{\"iss\":\"HS256\"}")), "Invalid key/secret");
    secrets[CONF_HS256].secret = kept;
    EVP_PKEY *key = secrets[CONF_RS256].public_key;
    secrets[CONF_RS256].public_key = NULL;
    expect_refusal(
        bearer(sign_with("{\"iss\":\"RS256\"}", JWT_ALG_RS256, signing_keys[CONF_RS256])),
        "Invalid key/secret");
    secrets[CONF_RS256].public_key = key;
}

static void base64_secrets(void **state)
{
    static const char *const spellings[] = { "c2VjcmV0Pj4_", "c2VjcmV0Pj4/" }; /* of "secret>>?" */
    (void)state;
    struct conf_text kept = secrets[CONF_HS256].secret;
    sign_with("{\"iss\":\"HS256\"}", JWT_ALG_HS256, "secret>>?");
    config.secret_is_base64 = true;
    for (size_t i = 0; i < 2; i++) {
        secrets[CONF_HS256].secret = fake_text(spellings[i]);
        expect_known(bearer(token), "HS256");
    }
    config.secret_is_base64 = false;
    expect_refusal(bearer(token), "Invalid signature");
    secrets[CONF_HS256].secret_is_base64 = true;
    expect_known(bearer(token), "HS256");
    secrets[CONF_HS256].secret = fake_text("not base64");
    expect_refusal(bearer(token), "Invalid key/secret");
    secrets[CONF_HS256].secret_is_base64 = false;
    secrets[CONF_HS256].secret = kept;
    config.secret_is_base64 = true; /* of no meaning for public keys */
    expect_known(bearer(sign_with("{\"iss\":\"RS256\"}", JWT_ALG_RS256, signing_keys[CONF_RS256])),
                 "RS256");
}

static void times(void **state)
{
    (void)state;
    const char *old = "{\"iss\":\"HS256\",\"exp\":1700000000,\"nbf\":1700000001}";
    expect_known(bearer(sign(old)), "HS256"); /* not asked to look */
    config.verify_exp = true;
    expect_faults(bearer(sign(old)), "{\"exp\":\"token expired\"}");
    expect_known(bearer(sign("{\"iss\":\"HS256\",\"exp\":1700000001}")), "HS256");
    expect_known(bearer(sign("{\"iss\":\"HS256\",\"exp\":1700000000.5}")), "HS256");
    expect_faults(bearer(sign("{\"iss\":\"HS256\",\"exp\":\"1800000000\"}")),
                  "{\"exp\":\"must be a number\"}");
    expect_faults(bearer(sign("{\"iss\":\"HS256\"}")), "{\"exp\":\"must be a number\"}");
    config.verify_nbf = true;
    expect_faults(bearer(sign(old)), "{\"exp\":\"token expired\",\"nbf\":\"token not valid yet\"}");
    config.verify_exp = false;
    expect_faults(bearer(sign(old)), "{\"nbf\":\"token not valid yet\"}");
    expect_known(bearer(sign("{\"iss\":\"HS256\",\"nbf\":1700000000}")), "HS256");
    expect_faults(bearer(sign("{\"iss\":\"HS256\"}")), "{\"nbf\":\"must be a number\"}");
}

static void maximum_expiration(void **state)
{
    (void)state;
    config.verify_exp = true;
    config.maximum_expiration = 300;
    expect_known(bearer(sign("{\"iss\":\"HS256\",\"exp\":1700000300}")), "HS256");
    expect_faults(bearer(sign("{\"iss\":\"HS256\",\"exp\":1700000301}")),
                  "{\"exp\":\"exceeds maximum allowed expiration\"}");
    expect_faults(bearer(sign("{\"iss\":\"HS256\",\"exp\":1e300}")),
                  "{\"exp\":\"exceeds maximum allowed expiration\"}");
    expect_faults(bearer(sign("{\"iss\":\"HS256\",\"exp\":1}")), "{\"exp\":\"token expired\"}");
    config.verify_exp = false;
    expect_faults(bearer(sign("{\"iss\":\"HS256\"}")),
                  "{\"exp\":\"exceeds maximum allowed expiration\"}");
}

static void preflight(void **state)
{
    (void)state;
    assert_int_equal(run("OPTIONS /\n"), STAGE_DONE);
    config.run_on_preflight = false;
    assert_int_equal(run("OPTIONS /\n"), STAGE_NEXT);
    assert_null(s.consumer);
    assert_int_equal(run("GET /\n"), STAGE_DONE);
}

static void anonymous(void **state)
{
    static const char *const failures[] = { "GET /\n", "GET /?jwt=x\n", "GET /?jwt\n",
                                            "GET /?jwt=a&jwt=b\n" };
    (void)state;
    config.anonymous = &nobody;
    config.verify_exp = true;
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(run("%s", failures[i]), STAGE_NEXT);
        assert_ptr_equal(s.consumer, &nobody);
        assert_true(s.anonymous);
        assert_int_equal(s.status, 0);
    }
    assert_int_equal(bearer(sign("{\"iss\":\"HS256\",\"exp\":1}")), STAGE_NEXT);
    assert_true(s.anonymous);
    expect_known(bearer(sign("{\"iss\":\"HS256\",\"exp\":1700000001}")), "HS256");
}

static void says_its_realm(void **state)
{
    (void)state;
    config.realm = fake_text("api");
    run("GET /\n");
    expect_slice(*fake_response(&s, "WWW-Authenticate"), "Bearer realm=\"api\"");
    bearer("x");
    expect_slice(*fake_response(&s, "WWW-Authenticate"),
                 "Bearer realm=\"api\", error=\"invalid_token\"");
}

static void parties(void **state)
{
    static const struct conf_text allowed[] = { { "HS256", 5 } }, wanted[] = { { "api", 3 } };
    (void)state;
    config.audience_required = (struct conf_texts){ wanted, 1 };
    expect_known(bearer(sign("{\"iss\":\"HS256\",\"aud\":[\"x\",\"api\"]}")), "HS256");
    expect_refusal(bearer(sign("{\"iss\":\"HS256\",\"aud\":\"x\"}")), "Invalid audience");
    config.issuers_allowed = (struct conf_texts){ allowed, 1 };
    expect_known(bearer(sign("{\"iss\":\"HS256\",\"aud\":\"api\"}")), "HS256");
    sign_with("{\"iss\":\"HS384\",\"aud\":\"api\"}", JWT_ALG_HS384, signing_keys[CONF_HS384]);
    expect_refusal(bearer(token), "Invalid issuer");
    /* nothing is said of claims before the signature holds */
    token[strlen(token) - 10] ^= 1;
    expect_refusal(bearer(token), "Invalid signature");
}

static void expect_upstream(const char *name, const char *wanted)
{
    const struct slice *value = fake_upstream(&s, name);
    assert_non_null(value);
    if (wanted)
        expect_slice(*value, wanted);
    else
        assert_null(value->p);
}

static void claims_in_fields(void **state)
{
    static const struct conf_claim_header headers[] = { { { "sub", 3 }, { "X-Sub", 5 } },
                                                        { { "roles", 5 }, { "X-Roles", 7 } } };
    (void)state;
    config.claims_to_headers = headers;
    config.claims_to_headers_n = 2;
    expect_known(bearer(sign("{\"iss\":\"HS256\",\"sub\":\"joe\",\"roles\":[\"a\",\"b\"]}")),
                 "HS256");
    expect_upstream("X-Sub", "joe");
    expect_upstream("X-Roles", "a, b");
    expect_known(run("GET /\nX-Sub: root\nX-Roles: root\nAuthorization: Bearer %s\n",
                     sign("{\"iss\":\"HS256\",\"sub\":\"joe\"}")),
                 "HS256");
    expect_upstream("X-Sub", "joe");
    expect_upstream("X-Roles", NULL);
    expect_refusal(bearer(sign("{\"iss\":\"HS256\",\"sub\":\"a\\r\\nX-Admin: 1\"}")),
                   "Invalid 'sub' in claims");
    /* whoever gets through without a token says nothing in these fields */
    config.anonymous = &nobody;
    assert_int_equal(run("GET /\nX-Sub: root\n"), STAGE_NEXT);
    expect_upstream("X-Sub", NULL);
    config.run_on_preflight = false;
    assert_int_equal(run("OPTIONS /\nX-Sub: root\n"), STAGE_NEXT);
    expect_upstream("X-Sub", NULL);
    fake_request(&s, "GET /\nX-Sub: root\n");
    stream_authenticate(&s, NULL, SLICE("another plugin's"), false);
    assert_int_equal(jwt_ops.access(&s, &config), STAGE_NEXT);
    assert_null(s.consumer);
    expect_upstream("X-Sub", NULL);
}

/* A token that held is not verified again, for no longer than it may hold. */
static void remembered(void **state)
{
    static const struct conf_claim_header headers[] = { { { "sub", 3 }, { "X-Sub", 5 } },
                                                        { { "none", 4 }, { "X-None", 6 } } };
    struct conf_text kept = secrets[CONF_HS256].secret;
    (void)state;
    remembers = true;
    config.verify_exp = true;
    config.claims_to_headers = headers;
    config.claims_to_headers_n = 2;
    sign("{\"iss\":\"HS256\",\"sub\":\"joe\",\"exp\":1700000010}");
    expect_known(bearer(token), "HS256");
    secrets[CONF_HS256].secret = fake_text("no secret that anything was signed with");
    expect_known(bearer(token), "HS256");
    expect_upstream("X-Sub", "joe");
    expect_upstream("X-None", NULL);
    s.now_ms -= 1000; /* before it was judged */
    expect_refusal(bearer(token), "Invalid signature");
    s.now_ms += 1000;
    struct conf_jwt other = config; /* another instance has its own mind */
    fake_request(&s, "GET /\n");
    char request[8192];
    snprintf(request, sizeof(request), "GET /\nAuthorization: Bearer %s\n", token);
    fake_request(&s, request);
    assert_int_equal(jwt_ops.access(&s, &other), STAGE_DONE);
    char *last = token + strlen(token) - 10;
    *last = *last == 'A' ? 'B' : 'A';
    expect_refusal(bearer(token), "Invalid signature");
    secrets[CONF_HS256].secret = kept;
    sign("{\"iss\":\"HS256\",\"sub\":\"joe\",\"exp\":1700000010}");
    s.now_ms += 9999;
    expect_known(bearer(token), "HS256");
    s.now_ms += 1;
    expect_faults(bearer(token), "{\"exp\":\"token expired\"}");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_algorithm, setup, teardown),
        cmocka_unit_test_setup_teardown(wherever_it_may_be, setup, teardown),
        cmocka_unit_test_setup_teardown(several_tokens, setup, teardown),
        cmocka_unit_test_setup_teardown(malformed_tokens, setup, teardown),
        cmocka_unit_test_setup_teardown(the_claim_that_names_the_key, setup, teardown),
        cmocka_unit_test_setup_teardown(forgeries, setup, teardown),
        cmocka_unit_test_setup_teardown(base64_secrets, setup, teardown),
        cmocka_unit_test_setup_teardown(times, setup, teardown),
        cmocka_unit_test_setup_teardown(maximum_expiration, setup, teardown),
        cmocka_unit_test_setup_teardown(preflight, setup, teardown),
        cmocka_unit_test_setup_teardown(anonymous, setup, teardown),
        cmocka_unit_test_setup_teardown(says_its_realm, setup, teardown),
        cmocka_unit_test_setup_teardown(parties, setup, teardown),
        cmocka_unit_test_setup_teardown(claims_in_fields, setup, teardown),
        cmocka_unit_test_setup_teardown(remembered, setup, teardown),
    };
    return cmocka_run_group_tests(tests, make_secrets, free_secrets);
}
