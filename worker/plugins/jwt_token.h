/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A JSON Web Token in its compact form (RFC 7515 section 7.1): split, decoded, its claims read.
 * Pure: bytes in, verdict out, time is an argument. Nothing here is trusted before the signature
 * was checked (jwt_verify.h); the texts of refusals are Kong's.
 */
#ifndef PLUGINS_JWT_TOKEN_H
#define PLUGINS_JWT_TOKEN_H

#include "conf/entities.h"
#include "worker/base/slice.h"

struct json_t;

#define JWT_TOKEN_FAULTS(X)                                                                        \
    X(SOUND, "")                                                                                   \
    X(JSON, "invalid JSON")           /* not three parts, not base64url, or not JSON */            \
    X(ALG, "invalid alg")             /* none, or one that does not exist */                       \
    X(CRIT, "unknown crit")           /* extensions that must be understood (RFC 7515 4.1.11) */   \
    X(CLAIMS, "invalid claims")       /* not an object */                                          \
    X(SIGNATURE, "invalid signature") /* not base64url */                                          \
    X(MEMORY, "out of memory")

enum jwt_token_fault {
#define JWT_TOKEN_FAULT_ENUM(id, text) JWT_TOKEN_##id,
    JWT_TOKEN_FAULTS(JWT_TOKEN_FAULT_ENUM)
#undef JWT_TOKEN_FAULT_ENUM
};

struct jwt_token {
    struct json_t *header, *claims; /* objects */
    const char *alg;                /* the header's, NUL-terminated */
    enum conf_jwt_algorithm algorithm;
};

/* Reads a token. `scratch` has room for text.n bytes and is used up by the call. On JWT_TOKEN_SOUND
 * the token is to be freed by the caller, on anything else there is nothing to free. */
enum jwt_token_fault jwt_token_read(struct slice text, char *scratch, struct jwt_token *token);
void jwt_token_free(struct jwt_token *token);
const char *jwt_token_fault_text(enum jwt_token_fault fault);

enum jwt_token_key { JWT_KEY_MISSING, JWT_KEY_INVALID, JWT_KEY_FOUND };

/* The claim that names the credential, of the payload or else of the header. *key lives as long as
 * the token. */
enum jwt_token_key jwt_token_key(const struct jwt_token *token, const char *claim,
                                 struct slice *key);

/* The header's name of the key; {NULL, 0}: none. Lives as long as the token. */
struct slice jwt_token_kid(const struct jwt_token *token);
bool jwt_token_has(const struct jwt_token *token, const char *claim);

/* What is wrong with claim exp or nbf at the time `now`: "must be a number", "token expired",
 * "token not valid yet", or NULL when it holds. */
const char *jwt_token_exp(const struct jwt_token *token, int64_t now);
const char *jwt_token_nbf(const struct jwt_token *token, int64_t now);
/* Claim exp in whole seconds; INT64_MAX: there is none. */
int64_t jwt_token_end(const struct jwt_token *token);
/* "exceeds maximum allowed expiration", or NULL when exp is at most `seconds` away. */
const char *jwt_token_lifetime(const struct jwt_token *token, int64_t now, int seconds);

#endif
