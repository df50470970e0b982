/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Issuers of tokens whose keys are fetched (a JWK set by URL, RFC 7517 section 5): what the plugins
 * name, each once, however many of them do.
 */
#ifndef CONF_ISSUER_H
#define CONF_ISSUER_H

#include "conf/entities.h"

struct conf_issuer {
    const struct conf_issuer *next; /* of conf->issuers */
    uint32_t index;                 /* 0, 1, ... in the order in which they are named */
    uint64_t identity;              /* of the URL and of whom it is believed; never 0 */
    struct conf_text uri;           /* as written */
    enum conf_protocol protocol;
    struct conf_text host;      /* a name, or an address without brackets */
    struct conf_text authority; /* as in the URL: what Host says */
    struct conf_text target;    /* path and query */
    int port;
    bool tls_verify;
    struct conf_text ca_certificates;        /* a PEM file's absolute path; "": the system's */
    const struct stack_st_X509 *authorities; /* what that file held; NULL: not read */
};

struct load;
struct config_setting_t;

/* As a plugin names it in the group `config`, at members jwks_uri and jwks_ca_certificates, where
 * what is wrong is reported. */
struct issuer_named {
    struct conf_text uri, ca_certificates;
    bool tls_verify;
    const struct config_setting_t *config;
};

/* The issuer, made when it is named first; NULL: something was reported. */
const struct conf_issuer *issuer_claim(struct load *load, const struct issuer_named *named);

/* How many there are in the list. */
static inline uint32_t issuer_count(const struct conf_issuer *list)
{
    return list ? list->index + 1 : 0;
}

#endif
