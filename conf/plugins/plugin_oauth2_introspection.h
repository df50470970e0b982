/* SPDX-License-Identifier: Apache-2.0 */
/* Configuration of oauth2-introspection: Kong's fields and meanings, and a second way to ask. */
#ifndef CONF_PLUGIN_OAUTH2_INTROSPECTION_H
#define CONF_PLUGIN_OAUTH2_INTROSPECTION_H

#include "conf/entities.h"

enum conf_introspection_way {
    CONF_INTROSPECTION_RFC7662, /* introspection_url: POST token=..., the answer says "active" */
    CONF_INTROSPECTION_STATUS,  /* oauth_service_url: GET with the token, the status says it */
};
enum conf_consumer_by { CONF_BY_USERNAME, CONF_BY_CLIENT_ID };
enum conf_introspection_error { CONF_ON_ERROR_DENY, CONF_ON_ERROR_ALLOW };

struct conf_oauth2_introspection {
    enum conf_introspection_way way;
    const struct conf_service *service;
    struct conf_text path, query;   /* what is asked for; query "": none */
    struct conf_text authorization; /* what the gateway shows; "": nothing */
    struct conf_text token_type_hint;
    struct conf_text fingerprint; /* of all that an answer depends on besides the token */
    struct source_list custom_introspection_headers; /* struct conf_route_header */
    struct conf_texts header_names, uri_param_names, custom_claims_forward, scopes_required,
        audience_required;
    double ttl, negative_ttl; /* s; ttl 0: until exp */
    int timeout;              /* ms, for the whole question */
    uint64_t max_answer_size; /* bytes */
    bool introspect_request, hide_credentials, run_on_preflight;
    enum conf_consumer_by consumer_by;
    enum conf_introspection_error on_error;
    struct conf_text realm;
    const struct conf_consumer *anonymous; /* NULL: none */
};

#endif
