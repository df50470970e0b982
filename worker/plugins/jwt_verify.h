/* SPDX-License-Identifier: Apache-2.0 */
/* The signature of a token, by libjwt. The only place that knows of that library. */
#ifndef PLUGINS_JWT_VERIFY_H
#define PLUGINS_JWT_VERIFY_H

#include "conf/entities.h"
#include "worker/base/slice.h"

/* True when `token` (NUL-terminated, found sound by jwt_token_read) is signed with `algorithm` and
 * `key`: the shared secret's bytes for HS*, a public key in PEM for RS* and ES*. An empty key
 * verifies nothing. */
bool jwt_verify_signature(const char *token, enum conf_jwt_algorithm algorithm, struct slice key);

#endif
