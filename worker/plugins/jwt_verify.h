/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The signature of a token (RFC 7515 section 5.2), by OpenSSL. What the token says of itself is not
 * looked at: the caller's algorithm and key alone decide, so there is nothing to confuse.
 */
#ifndef PLUGINS_JWT_VERIFY_H
#define PLUGINS_JWT_VERIFY_H

#include "conf/entities.h"
#include "worker/base/slice.h"

struct evp_pkey_st;

/* True when `token`, found sound by jwt_token_read, is signed with the shared `secret` by an HS*
 * algorithm. An empty secret verifies nothing, nor does any other algorithm. */
bool jwt_verify_shared(struct slice token, enum conf_jwt_algorithm algorithm, struct slice secret);

/* The same with a public key (may be NULL: false) and one of the other algorithms. False when the
 * key is not of the algorithm's kind or curve. */
bool jwt_verify_public(struct slice token, enum conf_jwt_algorithm algorithm,
                       struct evp_pkey_st *key);

#endif
