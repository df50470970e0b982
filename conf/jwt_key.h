/* SPDX-License-Identifier: Apache-2.0 */
/* Public keys of jwt credentials: what fits which algorithm (RFC 7518 section 3, RFC 8037). */
#ifndef CONF_JWT_KEY_H
#define CONF_JWT_KEY_H

#include "conf/consumer.h"
#include "conf/text.h"

struct evp_pkey_st;

/* A public key in PEM; NULL: it is none. The caller frees it with jwt_key_free(). */
struct evp_pkey_st *jwt_key_read(struct conf_text pem);
/* Takes an EVP_PKEY, or NULL. */
void jwt_key_free(void *key);

/* "HS256" for CONF_HS256, ... */
const char *jwt_key_algorithm(enum conf_jwt_algorithm algorithm);

/* Why the key does not fit the algorithm ("is not an RSA key"), or NULL. */
const char *jwt_key_misfit(struct evp_pkey_st *key, enum conf_jwt_algorithm algorithm);

#endif
