/* SPDX-License-Identifier: Apache-2.0 */
/* Consumers, what they are known by, and how they are found. A part of conf/entities.h. */
#ifndef CONF_CONSUMER_H
#define CONF_CONSUMER_H

#include "conf/text.h"
#include <stdbool.h>
#include <stdint.h>

struct evp_pkey_st;

struct conf_consumer {
    struct conf_text username, custom_id, id; /* username or custom_id may be "" */
    uint32_t index;
    const struct conf_key *keys;
    size_t keys_n;
    const struct conf_jwt_secret *jwt_secrets;
    size_t jwt_secrets_n;
    const struct conf_basic *basics;
    size_t basics_n;
    const struct conf_hmac *hmacs;
    size_t hmacs_n;
    struct conf_texts groups;
    struct conf_texts tags;
};

struct conf_key { /* keyauth_credentials */
    struct conf_text key, id;
    const struct conf_consumer *consumer;
};

enum conf_jwt_algorithm {
    CONF_HS256,
    CONF_HS384,
    CONF_HS512,
    CONF_RS256,
    CONF_RS384,
    CONF_RS512,
    CONF_ES256,
    CONF_ES384,
    CONF_ES512,
    CONF_PS256,
    CONF_PS384,
    CONF_PS512,
    CONF_EDDSA, /* Ed25519 */
    CONF_JWT_ALGORITHMS
};

struct conf_jwt_secret {
    struct conf_text key, id; /* key: what the token's key claim (iss) names */
    enum conf_jwt_algorithm algorithm;
    struct conf_text secret;        /* HS* */
    struct evp_pkey_st *public_key; /* of all others: fits the algorithm; NULL with HS* */
    bool secret_is_base64;
    const struct conf_consumer *consumer;
};

enum conf_password_format {
    CONF_PASSWORD_AUTO, /* as configured; checked credentials have another */
    CONF_PASSWORD_PLAIN,
    CONF_PASSWORD_KONG, /* SHA-1, in hex, of the password and the consumer's id behind it */
    CONF_PASSWORD_CRYPT /* a hash of libcrypt's */
};

struct conf_basic { /* basicauth_credentials */
    struct conf_text username, id;
    struct conf_text password; /* in its format */
    enum conf_password_format format;
    const struct conf_consumer *consumer;
};

struct conf_hmac { /* hmacauth_credentials */
    struct conf_text username, id, secret;
    const struct conf_consumer *consumer;
};

struct conf_credentials;

/* Look-ups by credential; constant cost at any number of consumers, no early exit on the secret's
 * bytes. NULL: none. */
const struct conf_key *credentials_key(const struct conf_credentials *c, const char *key, size_t n);
const struct conf_jwt_secret *credentials_jwt(const struct conf_credentials *c, const char *key,
                                              size_t n);
/* By username. */
const struct conf_basic *credentials_basic(const struct conf_credentials *c, const char *username,
                                           size_t n);
const struct conf_hmac *credentials_hmac(const struct conf_credentials *c, const char *username,
                                         size_t n);
/* One of those whose password is a hash of libcrypt's, as an example of what that costs. */
const struct conf_basic *credentials_hashed(const struct conf_credentials *c);
/* By id, username or custom_id. */
const struct conf_consumer *credentials_consumer(const struct conf_credentials *c, const char *name,
                                                 size_t n);
/* By that alone. */
const struct conf_consumer *credentials_username(const struct conf_credentials *c, const char *name,
                                                 size_t n);
const struct conf_consumer *credentials_custom_id(const struct conf_credentials *c,
                                                  const char *name, size_t n);

#endif
