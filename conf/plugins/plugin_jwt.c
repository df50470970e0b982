/* SPDX-License-Identifier: Apache-2.0 */
/* The fields of jwt, as Kong has them, and those that make tokens of any OpenID provider useful. */
#include "conf/plugins/plugin_jwt.h"
#include "conf/load.h"
#include "conf/transform.h"
#include "conf/value.h"
#include <string.h>
#include <strings.h>

enum { CLAIM_EXP = 1, CLAIM_NBF = 2 };

struct jwt_source {
    struct conf_jwt as; /* the first member: what others see */
    unsigned claims;
    struct conf_text anonymous;
    struct conf_texts claims_to_headers;
    struct conf_text jwks_uri, ca_certificates;
    bool tls_verify;
};

#define CONFIG struct jwt_source
static const struct fields_name claims[] = { { "exp", CLAIM_EXP }, { "nbf", CLAIM_NBF }, { 0 } };
static const struct fields_row rows[] = {
    { FIELDS_ROW_TEXTS(CONFIG, as.uri_param_names, "uri_param_names"), .preset = "[ \"jwt\" ]",
      .flags = FIELDS_SET, .check = value_is_printable,
      .doc = "Query parameters in which a token is looked for." },
    { FIELDS_ROW_TEXTS(CONFIG, as.cookie_names, "cookie_names"), .preset = "[ ]",
      .flags = FIELDS_SET, .check = value_is_token, .doc = "Cookies in which it is looked for." },
    { FIELDS_ROW_TEXTS(CONFIG, as.header_names, "header_names"), .preset = "[ \"authorization\" ]",
      .flags = FIELDS_SET, .check = value_is_token,
      .doc = "Header fields in which it is looked for, after \"Bearer\"." },
    { FIELDS_ROW_TEXT(CONFIG, as.key_claim_name, "key_claim_name"), .preset = "\"iss\"",
      .flags = FIELDS_FILLED, .check = value_is_printable,
      .doc = "The claim, or else the header, that names the credential." },
    { FIELDS_ROW_BOOL(CONFIG, as.secret_is_base64, "secret_is_base64"), .preset = "false",
      .doc = "Whether secrets of credentials are written in base64." },
    { FIELDS_ROW_BOOL(CONFIG, as.run_on_preflight, "run_on_preflight"), .preset = "true",
      .doc = "Whether OPTIONS requests need a token too." },
    { FIELDS_ROW_FLAGS(CONFIG, claims, "claims_to_verify"), .preset = "[ ]", .names = claims,
      .doc = "exp: the token has not expired; nbf: it is valid already. Both then must be there." },
    { FIELDS_ROW_INT(CONFIG, as.maximum_expiration, "maximum_expiration"), .preset = "0",
      .max = 31536000, .doc = "Seconds that exp may lie ahead; 0 is off." },
    { FIELDS_ROW_TEXT(CONFIG, as.realm, "realm"), .preset = "\"\"", .check = value_is_printable,
      .doc = "The realm named in WWW-Authenticate." },
    { FIELDS_ROW_TEXT(CONFIG, jwks_uri, "jwks_uri"), .preset = "\"\"", .check = value_is_printable,
      .doc = "Where the issuer's public keys are (RFC 7517), http or https. With it tokens are "
             "checked with these keys alone, not with credentials of consumers; exp is required, "
             "nbf counts where it is there, and X-Credential-Identifier is claim sub." },
    { FIELDS_ROW_BOOL(CONFIG, tls_verify, "jwks_tls_verify"), .preset = "true",
      .doc = "Whether an https issuer must have a valid certificate." },
    { FIELDS_ROW_TEXT(CONFIG, ca_certificates, "jwks_ca_certificates"), .preset = "\"\"",
      .doc = "A PEM file of the authorities to trust in that; \"\" is those of the system." },
    { FIELDS_ROW_TEXT(CONFIG, as.consumer_claim, "consumer_claim"), .preset = "\"\"",
      .check = value_is_printable,
      .doc = "With jwks_uri: the claim that names the consumer by username or custom_id; \"\": "
             "tokens are nobody's." },
    { FIELDS_ROW_BOOL(CONFIG, as.consumer_optional, "consumer_optional"), .preset = "true",
      .doc = "With consumer_claim: whether a token may be no consumer's." },
    { FIELDS_ROW_TEXTS(CONFIG, as.issuers_allowed, "issuers_allowed"), .preset = "[ ]",
      .flags = FIELDS_SET, .check = value_is_printable,
      .doc = "Issuers (claim iss) whose tokens are taken; none: any that has a key." },
    { FIELDS_ROW_TEXTS(CONFIG, as.audience_required, "audience_required"), .preset = "[ ]",
      .flags = FIELDS_SET, .check = value_is_printable,
      .doc = "A token must be for one of these (claim aud, a text or a list); none: for anybody." },
    { FIELDS_ROW_TEXTS(CONFIG, claims_to_headers, "claims_to_headers"), .preset = "[ ]",
      .flags = FIELDS_SET, .check = value_is_printable,
      .doc = "\"claim:Header\": what the upstream is told of a token. \"a.b\" is b in a, where no "
             "claim is called \"a.b\"; a list is joined with commas; a value that holds a control "
             "character, or a list whose element holds a comma, is refused. What clients say in "
             "such a field is dropped." },
    { FIELDS_ROW_TEXT(CONFIG, anonymous, "anonymous"), .preset = "\"\"",
      .doc = "The consumer (username, custom_id or id) of requests without a valid token; \"\" "
             "refuses them." },
};
static const struct fields_table table = {
    .title = "jwt",
    .doc = "Knows a consumer by a signed token (RFC 7519) in the request.",
    FIELDS_TABLE(rows),
    .size = sizeof(CONFIG),
    .at = SIZE_MAX
};

/* Cut at the last colon, since a claim's name may be a URL. */
static void read_claim(struct load *load, const config_setting_t *at, struct conf_text text,
                       struct conf_claim_header *out)
{
    char why[256] = "is not \"claim:Header\"";
    const char *colon = strrchr(text.s, ':');
    size_t n = colon ? (size_t)(colon - text.s) : 0;
    out->claim = memory_text(&load->memory, text.s, n);
    out->header = (struct conf_text){ colon ? colon + 1 : "", colon ? text.n - n - 1 : 0 };
    if (n == 0 || !transform_is_field(out->header, why, sizeof why))
        report_key(&load->report, at, "claims_to_headers", "%s %s",
                   report_quote(&load->report, text.s, text.n), why);
}

static void read_claims(struct load *load, const config_setting_t *at, struct jwt_source *config)
{
    const struct conf_texts *texts = &config->claims_to_headers;
    struct conf_claim_header *v = memory_array(&load->memory, texts->n, sizeof *v);
    for (size_t i = 0; i < texts->n; i++) {
        read_claim(load, at, texts->v[i], &v[i]);
        size_t k = 0;
        while (k < i && (!v[k].claim.n || strcasecmp(v[k].header.s, v[i].header.s) != 0))
            k++;
        if (k < i && v[i].claim.n)
            report_key(&load->report, at, "claims_to_headers", "\"%s\" is there twice",
                       v[i].header.s);
    }
    config->as.claims_to_headers = v;
    config->as.claims_to_headers_n = texts->n;
}

static void read_issuer(struct load *load, const config_setting_t *at, struct jwt_source *config)
{
    struct issuer_named named = { config->jwks_uri, config->ca_certificates, config->tls_verify,
                                  at };
    if (named.uri.n)
        config->as.issuer = issuer_claim(load, &named);
    else if (named.ca_certificates.n)
        report_key(&load->report, at, "jwks_ca_certificates", "needs jwks_uri");
    else if (config->as.consumer_claim.n)
        report_key(&load->report, at, "consumer_claim", "needs jwks_uri");
}

static void finish(struct load *load, struct source_plugin *p)
{
    struct jwt_source *config = p->config;
    const config_setting_t *at = config_setting_get_member(p->at, "config");
    config->as.verify_exp = config->claims & CLAIM_EXP;
    config->as.verify_nbf = config->claims & CLAIM_NBF;
    config->as.anonymous = load_consumer(load, config->anonymous, at, "anonymous");
    load_secret_arguments(load, &config->as.uri_param_names);
    read_claims(load, at, config);
    read_issuer(load, at, config);
    if (config->as.maximum_expiration && !config->as.verify_exp && !config->jwks_uri.n)
        report_key(&load->report, at, "maximum_expiration", "needs \"exp\" among claims_to_verify");
    if (config->as.uri_param_names.n + config->as.cookie_names.n + config->as.header_names.n == 0)
        report_key(&load->report, at, "header_names", "a token must be allowed somewhere");
}

const struct load_kind plugin_jwt_kind = { &table, true, finish };
