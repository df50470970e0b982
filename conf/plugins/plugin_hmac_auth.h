/* SPDX-License-Identifier: Apache-2.0 */
/* Configuration of hmac-auth: Kong's fields and meanings. */
#ifndef CONF_PLUGIN_HMAC_AUTH_H
#define CONF_PLUGIN_HMAC_AUTH_H

#include "conf/entities.h"

enum conf_hmac_algorithm {
    CONF_HMAC_SHA1 = 1,
    CONF_HMAC_SHA256 = 2,
    CONF_HMAC_SHA384 = 4,
    CONF_HMAC_SHA512 = 8
};

struct conf_hmac_auth {
    bool hide_credentials;
    int clock_skew;                    /* s */
    struct conf_texts enforce_headers; /* what a signature has to cover; lower case */
    unsigned algorithms;               /* of enum conf_hmac_algorithm */
    struct conf_text realm;
    const struct conf_consumer *anonymous; /* NULL: none */
    bool validate_request_body;            /* compares the body with Digest */
};

#endif
