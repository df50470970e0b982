/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libjwt reads the token once more and decides by the token's own header which algorithm it
 * verifies; it also takes a token for unsigned when it is given no key. So the caller has compared
 * the header's algorithm with the credential's before, and here an empty key is refused and the
 * algorithm that was really used is compared again.
 */
#include "worker/plugins/jwt_verify.h"
#include <jwt.h>
#include <limits.h>

static const jwt_alg_t algorithms[] = {
    [CONF_HS256] = JWT_ALG_HS256, [CONF_HS384] = JWT_ALG_HS384, [CONF_HS512] = JWT_ALG_HS512,
    [CONF_RS256] = JWT_ALG_RS256, [CONF_RS384] = JWT_ALG_RS384, [CONF_RS512] = JWT_ALG_RS512,
    [CONF_ES256] = JWT_ALG_ES256, [CONF_ES384] = JWT_ALG_ES384, [CONF_ES512] = JWT_ALG_ES512,
};

bool jwt_verify_signature(const char *token, enum conf_jwt_algorithm algorithm, struct slice key)
{
    jwt_t *jwt = NULL;
    if (key.n == 0 || key.n > INT_MAX)
        return false;
    if (jwt_decode(&jwt, token, (const unsigned char *)key.p, (int)key.n) != 0)
        return false;
    bool verified = jwt && jwt_get_alg(jwt) == algorithms[algorithm];
    jwt_free(jwt);
    return verified;
}
