/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stricter than most readers on purpose: what another reader could understand in another way is
 * refused. So base64url is read strictly (worker/http/base64.h), there is nothing behind the JSON
 * text, no name twice in an object, and no NUL anywhere. Names of algorithms are those that Kong
 * knows, to tell "invalid alg" (there is no such thing, or it is "none") from one that is merely
 * not the credential's.
 */
#include "worker/plugins/jwt_token.h"
#include "conf/jwt_key.h"
#include "worker/http/base64.h"
#include <jansson.h>

const char *jwt_token_fault_text(enum jwt_token_fault fault)
{
    static const char *const texts[] = {
#define JWT_TOKEN_FAULT_TEXT(id, text) text,
        JWT_TOKEN_FAULTS(JWT_TOKEN_FAULT_TEXT)
#undef JWT_TOKEN_FAULT_TEXT
    };
    return texts[fault];
}

/* --- the parts ------------------------------------------------------------------------------ */

/* What precedes the next "." and the rest behind it; false: there is none. */
static bool split(struct slice *rest, struct slice *part)
{
    const char *dot = rest->n ? memchr(rest->p, '.', rest->n) : NULL;
    if (!dot)
        return false;
    *part = slice_of(rest->p, (size_t)(dot - rest->p));
    *rest = slice_of(dot + 1, rest->n - part->n - 1);
    return true;
}

static json_t *parse(struct slice part, char *scratch)
{
    json_error_t error;
    ptrdiff_t n = base64_decode(part, false, scratch);
    if (n <= 0)
        return NULL;
    return json_loadb(scratch, (size_t)n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
}

static bool know_algorithm(struct jwt_token *token)
{
    const char *alg = json_string_value(json_object_get(token->header, "alg"));
    for (int i = 0; alg && i < CONF_JWT_ALGORITHMS; i++)
        if (strcmp(alg, jwt_key_algorithm((enum conf_jwt_algorithm)i)) == 0) {
            token->alg = alg;
            token->algorithm = (enum conf_jwt_algorithm)i;
            return true;
        }
    return false;
}

static enum jwt_token_fault check(struct jwt_token *token, struct slice signature, char *scratch)
{
    if (!token->header || !token->claims)
        return JWT_TOKEN_JSON;
    if (!know_algorithm(token))
        return JWT_TOKEN_ALG;
    if (json_object_get(token->header, "crit"))
        return JWT_TOKEN_CRIT;
    if (!json_is_object(token->claims))
        return JWT_TOKEN_CLAIMS;
    return base64_decode(signature, false, scratch) >= 0 ? JWT_TOKEN_SOUND : JWT_TOKEN_SIGNATURE;
}

enum jwt_token_fault jwt_token_read(struct slice text, char *scratch, struct jwt_token *token)
{
    struct slice header, claims;
    *token = (struct jwt_token){ 0 };
    if (!split(&text, &header) || !split(&text, &claims))
        return JWT_TOKEN_JSON;
    token->header = parse(header, scratch);
    token->claims = token->header ? parse(claims, scratch) : NULL;
    enum jwt_token_fault fault = check(token, text, scratch);
    if (fault != JWT_TOKEN_SOUND)
        jwt_token_free(token);
    return fault;
}

void jwt_token_free(struct jwt_token *token)
{
    json_decref(token->header);
    json_decref(token->claims);
    *token = (struct jwt_token){ 0 };
}

/* --- claims --------------------------------------------------------------------------------- */

enum jwt_token_key jwt_token_key(const struct jwt_token *token, const char *claim,
                                 struct slice *key)
{
    const json_t *value = json_object_get(token->claims, claim);
    if (!value || json_is_false(value))
        value = json_object_get(token->header, claim);
    if (!value || json_is_false(value))
        return JWT_KEY_MISSING;
    if (!json_is_string(value) || json_string_length(value) == 0)
        return JWT_KEY_INVALID;
    *key = slice_of(json_string_value(value), json_string_length(value));
    return JWT_KEY_FOUND;
}

struct slice jwt_token_kid(const struct jwt_token *token)
{
    const json_t *kid = json_object_get(token->header, "kid");
    return slice_of(json_string_value(kid), json_string_length(kid));
}

bool jwt_token_has(const struct jwt_token *token, const char *claim)
{
    return json_object_get(token->claims, claim) != NULL;
}

int64_t jwt_token_end(const struct jwt_token *token)
{
    const json_t *exp = json_object_get(token->claims, "exp");
    double end = json_is_number(exp) ? json_number_value(exp) : (double)INT64_MAX;
    return end >= 9e15 ? INT64_MAX : end <= 0 ? 0 : (int64_t)end;
}

static const char *const not_a_number = "must be a number";

const char *jwt_token_exp(const struct jwt_token *token, int64_t now)
{
    const json_t *exp = json_object_get(token->claims, "exp");
    if (!json_is_number(exp))
        return not_a_number;
    return json_number_value(exp) <= (double)now ? "token expired" : NULL;
}

const char *jwt_token_nbf(const struct jwt_token *token, int64_t now)
{
    const json_t *nbf = json_object_get(token->claims, "nbf");
    if (!json_is_number(nbf))
        return not_a_number;
    return json_number_value(nbf) > (double)now ? "token not valid yet" : NULL;
}

const char *jwt_token_lifetime(const struct jwt_token *token, int64_t now, int seconds)
{
    const json_t *exp = json_object_get(token->claims, "exp");
    if (json_is_number(exp) && json_number_value(exp) - (double)now <= seconds)
        return NULL;
    return "exceeds maximum allowed expiration";
}
