/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a key may verify is decided here, once: by its kind and curve, narrowed by its alg. Nothing
 * that a token says later widens it. OpenSSL makes the key from the numbers (a point that is not on
 * its curve is no key) and writes it in the one form that workers read. An entry
 * with a private part is left out: whoever publishes that has published a signature for everybody.
 */
#include "worker/checker/jwks_read.h"
#include "conf/consumer.h"
#include "conf/jwt_key.h"
#include "worker/http/base64.h"
#include <jansson.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/x509.h>

enum { NUMBER_MAX = 1024 /* bytes: RSA of 8192 bits */, EXPONENT_MAX = 8 };

#define BIT(algorithm) (1U << (algorithm))

struct number {
    size_t n;
    unsigned char bytes[NUMBER_MAX];
};

struct curve {
    const char *name, *group;
    size_t size; /* bytes of a coordinate */
    enum conf_jwt_algorithm algorithm;
};

static const struct curve curves[] = { { "P-256", "prime256v1", 32, CONF_ES256 },
                                       { "P-384", "secp384r1", 48, CONF_ES384 },
                                       { "P-521", "secp521r1", 66, CONF_ES512 } };

/* --- members -------------------------------------------------------------------------------- */

static const char *text(const json_t *entry, const char *member)
{
    const char *s = json_string_value(json_object_get(entry, member));
    return s ? s : "";
}

/* A number as its bytes in base64url, without zeros before it unless `size` says how many bytes
 * there must be. */
static bool read_number(const json_t *entry, const char *member, size_t size, struct number *out)
{
    char buf[NUMBER_MAX * 4 / 3 + 8];
    const json_t *value = json_object_get(entry, member);
    struct slice in = slice_of(json_string_value(value), json_string_length(value));
    if (in.n == 0 || in.n > sizeof buf)
        return false;
    ptrdiff_t n = base64_decode(in, false, buf);
    size_t from = 0;
    while (size == 0 && (ptrdiff_t)from < n && buf[from] == '\0')
        from++;
    out->n = n > 0 ? (size_t)n - from : 0;
    if (out->n == 0 || out->n > NUMBER_MAX || (size && out->n != size))
        return false;
    memcpy(out->bytes, buf + from, out->n);
    return true;
}

static bool lists(const json_t *list, const char *word)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *s = json_string_value(json_array_get(list, i));
        if (s && strcmp(s, word) == 0)
            return true;
    }
    return false;
}

/* Public, and for verifying signatures. */
static bool is_for_us(const json_t *entry)
{
    const json_t *use = json_object_get(entry, "use"), *ops = json_object_get(entry, "key_ops");
    if (json_object_get(entry, "d") || json_object_get(entry, "k"))
        return false;
    if (use && strcmp(text(entry, "use"), "sig") != 0)
        return false;
    return !ops || lists(ops, "verify");
}

/* What is left of those that the kind of key can do. */
static uint32_t narrowed(const json_t *entry, uint32_t can)
{
    if (!json_object_get(entry, "alg"))
        return can;
    for (int a = 0; a < CONF_JWT_ALGORITHMS; a++)
        if (strcmp(text(entry, "alg"), jwt_key_algorithm((enum conf_jwt_algorithm)a)) == 0)
            return can & BIT(a);
    return 0;
}

/* --- keys ----------------------------------------------------------------------------------- */

/* Of a point OpenSSL checks that it is on its curve. A modulus it could only check at a price that
 * an issuer must not make us pay. */
static EVP_PKEY *make(const char *kind, OSSL_PARAM_BLD *build)
{
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
    EVP_PKEY_CTX *ctx = params ? EVP_PKEY_CTX_new_from_name(NULL, kind, NULL) : NULL;
    EVP_PKEY *key = NULL;
    if (!ctx || EVP_PKEY_fromdata_init(ctx) != 1 ||
        EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
        key = NULL;
    EVP_PKEY_CTX_free(ctx);
    OSSL_PARAM_free(params);
    return key;
}

static EVP_PKEY *make_rsa(const json_t *entry)
{
    struct number n, e;
    EVP_PKEY *key = NULL;
    if (!read_number(entry, "n", 0, &n) || !read_number(entry, "e", 0, &e) || e.n > EXPONENT_MAX ||
        !(e.bytes[e.n - 1] & 1) || (e.n == 1 && e.bytes[0] < 3))
        return NULL;
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    BIGNUM *bn = BN_bin2bn(n.bytes, (int)n.n, NULL), *be = BN_bin2bn(e.bytes, (int)e.n, NULL);
    if (build && bn && be && OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, bn) &&
        OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, be))
        key = make("RSA", build);
    BN_free(bn);
    BN_free(be);
    OSSL_PARAM_BLD_free(build);
    return key;
}

static EVP_PKEY *make_ec(const json_t *entry, const struct curve *curve)
{
    struct number x, y;
    unsigned char point[1 + 2 * 66];
    EVP_PKEY *key = NULL;
    if (!read_number(entry, "x", curve->size, &x) || !read_number(entry, "y", curve->size, &y))
        return NULL;
    point[0] = POINT_CONVERSION_UNCOMPRESSED;
    memcpy(point + 1, x.bytes, curve->size);
    memcpy(point + 1 + curve->size, y.bytes, curve->size);
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    if (build &&
        OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, curve->group, 0) &&
        OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, point,
                                         1 + 2 * curve->size))
        key = make("EC", build);
    OSSL_PARAM_BLD_free(build);
    return key;
}

/* The key, and what its kind can do; NULL: it is none of ours. */
static EVP_PKEY *make_key(const json_t *entry, uint32_t *can)
{
    struct number x;
    const char *kty = text(entry, "kty"), *crv = text(entry, "crv");
    if (strcmp(kty, "RSA") == 0) {
        *can = BIT(CONF_RS256) | BIT(CONF_RS384) | BIT(CONF_RS512) | BIT(CONF_PS256) |
               BIT(CONF_PS384) | BIT(CONF_PS512);
        return make_rsa(entry);
    }
    for (size_t i = 0; strcmp(kty, "EC") == 0 && i < sizeof curves / sizeof *curves; i++)
        if (strcmp(crv, curves[i].name) == 0) {
            *can = BIT(curves[i].algorithm);
            return make_ec(entry, &curves[i]);
        }
    *can = BIT(CONF_EDDSA);
    if (strcmp(kty, "OKP") == 0 && strcmp(crv, "Ed25519") == 0 && read_number(entry, "x", 32, &x))
        return EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, x.bytes, x.n);
    return NULL;
}

static bool fits(EVP_PKEY *key, uint32_t can)
{
    for (int a = 0; a < CONF_JWT_ALGORITHMS; a++)
        if (can & BIT(a))
            return jwt_key_misfit(key, (enum conf_jwt_algorithm)a) == NULL;
    return false;
}

static bool write_key(EVP_PKEY *key, struct jwks_key *out)
{
    unsigned char *at = out->der;
    int n = i2d_PUBKEY(key, NULL);
    if (n <= 0 || n > JWKS_DER)
        return false;
    out->der_n = (uint16_t)i2d_PUBKEY(key, &at);
    return true;
}

static bool read_kid(const json_t *entry, struct jwks_key *out)
{
    const json_t *kid = json_object_get(entry, "kid");
    size_t n = json_string_length(kid);
    if (!kid)
        return true;
    if (!json_is_string(kid) || n > JWKS_KID)
        return false;
    memcpy(out->kid, json_string_value(kid), n);
    out->kid_n = (uint16_t)n;
    out->has_kid = true;
    return true;
}

static bool read_entry(const json_t *entry, struct jwks_key *out)
{
    uint32_t can = 0;
    memset(out, 0, sizeof *out);
    if (!json_is_object(entry) || !is_for_us(entry) || !read_kid(entry, out))
        return false;
    EVP_PKEY *key = make_key(entry, &can);
    out->algorithms = narrowed(entry, can);
    bool ours = key && out->algorithms && fits(key, out->algorithms) && write_key(key, out);
    EVP_PKEY_free(key);
    return ours;
}

static bool same_kid(const struct jwks_key *a, const struct jwks_key *b)
{
    return a->has_kid == b->has_kid && a->kid_n == b->kid_n &&
           memcmp(a->kid, b->kid, a->kid_n) == 0;
}

static bool same_key(const struct jwks_key *a, const struct jwks_key *b)
{
    return same_kid(a, b) && a->der_n == b->der_n && memcmp(a->der, b->der, a->der_n) == 0;
}

/* --- the document --------------------------------------------------------------------------- */

/* The key behind the last one is there already. */
static bool is_repeated(const struct jwks_set *set)
{
    for (uint32_t i = 0; i < set->n; i++)
        if (same_key(&set->keys[i], &set->keys[set->n]))
            return true;
    return false;
}

const char *jwks_read(struct slice in, struct jwks_set *out, uint32_t *skipped)
{
    json_error_t error;
    out->n = *skipped = 0;
    if (in.n > JWKS_READ_MAX)
        return "the document is too large";
    json_t *document = json_loadb(in.p ? in.p : "", in.n, JSON_REJECT_DUPLICATES, &error);
    const json_t *keys = json_object_get(document, "keys");
    bool whole = document != NULL, listed = json_is_array(keys);
    size_t n = json_array_size(keys);
    for (size_t i = 0; i < n && i < JWKS_READ_ENTRIES && out->n < JWKS_KEYS; i++)
        if (read_entry(json_array_get(keys, i), &out->keys[out->n]) && !is_repeated(out))
            out->n++;
    *skipped = (uint32_t)(n < UINT32_MAX ? n : UINT32_MAX) - out->n;
    json_decref(document);
    ERR_clear_error();
    if (!whole)
        return "the document is not JSON";
    if (!listed)
        return "the document is no JWK set";
    return out->n ? NULL : "the document has no key that verifies signatures";
}

/* --- what was known before ------------------------------------------------------------------ */

/* Whether it is in the first n keys, or its name is another's there. */
static struct jwks_key *find(struct jwks_set *set, uint32_t n, const struct jwks_key *key,
                             bool *named)
{
    struct jwks_key *found = NULL;
    *named = false;
    for (uint32_t i = 0; i < n; i++) {
        *named |= key->has_kid && same_kid(&set->keys[i], key);
        if (!found && same_key(&set->keys[i], key))
            found = &set->keys[i];
    }
    return found;
}

bool jwks_read_merge(struct jwks_set *read, const struct jwks_set *before, int64_t at,
                     int64_t grace)
{
    uint32_t fresh = read->n, known = 0;
    bool changed = false, named;
    for (uint32_t i = 0; i < fresh; i++) {
        read->keys[i].since = at;
        read->keys[i].gone = 0;
    }
    for (uint32_t i = 0; i < before->n; i++) {
        const struct jwks_key *old = &before->keys[i];
        struct jwks_key *now = find(read, fresh, old, &named);
        if (now) {
            known += now->since == at && old->gone == 0;
            now->since = old->since;
            changed |= old->gone != 0 || old->algorithms != now->algorithms;
            continue;
        }
        changed |= old->gone == 0;
        int64_t gone = old->gone ? old->gone : at;
        if (named || at - gone >= grace || read->n == JWKS_KEYS) {
            changed = true;
            continue;
        }
        read->keys[read->n] = *old;
        read->keys[read->n++].gone = gone;
    }
    return changed || known < fresh;
}
