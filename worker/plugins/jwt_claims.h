/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a token says beside its times: who issued it, for whom, and what of it an upstream is told.
 * Pure. Asked only of tokens whose signature holds.
 */
#ifndef PLUGINS_JWT_CLAIMS_H
#define PLUGINS_JWT_CLAIMS_H

#include "worker/plugins/jwt_token.h"

/* A value in a field is not longer than that. */
enum { JWT_CLAIMS_VALUE_MAX = 8192 };

/* Whether claim iss is one of them; any, when there are none. */
bool jwt_claims_issuer(const struct jwt_token *token, const struct conf_texts *allowed);
/* Whether claim aud, a text or a list of them (RFC 7519 section 4.1.3), has one of them. */
bool jwt_claims_audience(const struct jwt_token *token, const struct conf_texts *required);

/* A claim that is a text; {NULL, 0}: there is none. Lives as long as the token. */
struct slice jwt_claims_text(const struct jwt_token *token, const char *claim);

/* The value of a field for that claim, or, where no claim is called so, for one inside others
 * ("realm_access.roles"): a text, number or truth as it is, a list of them joined with ", ", an
 * object as JSON. Returns its length in out, which has JWT_CLAIMS_VALUE_MAX bytes; 0: there is
 * nothing to say; -1: it cannot be said in one field, since it holds a control character, is too
 * long, or is a list with an element that a reader would take for two. */
ptrdiff_t jwt_claims_value(const struct jwt_token *token, const char *claim, char *out);

#endif
