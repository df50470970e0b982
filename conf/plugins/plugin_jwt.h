/* SPDX-License-Identifier: Apache-2.0 */
/* Configuration of jwt: Kong's fields and meanings, and some of its openid-connect. */
#ifndef CONF_PLUGIN_JWT_H
#define CONF_PLUGIN_JWT_H

#include "conf/entities.h"
#include "conf/issuer.h"

struct conf_claim_header { /* of claims_to_headers */
    struct conf_text claim, header;
};

struct conf_jwt {
    struct conf_texts uri_param_names, cookie_names, header_names;
    struct conf_text key_claim_name;
    bool secret_is_base64, run_on_preflight;
    bool verify_exp, verify_nbf; /* claims_to_verify */
    int maximum_expiration;      /* s; 0 = off */
    struct conf_text realm;
    struct conf_texts issuers_allowed, audience_required; /* none: any */
    const struct conf_issuer
        *issuer;                     /* of jwks_uri, whose keys count alone; NULL: credentials do */
    struct conf_text consumer_claim; /* with an issuer; "": nobody is a consumer */
    bool consumer_optional;
    const struct conf_claim_header *claims_to_headers;
    size_t claims_to_headers_n;
    const struct conf_consumer *anonymous; /* NULL: none */
};

#endif
