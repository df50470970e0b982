/* SPDX-License-Identifier: Apache-2.0 */
/* The fields of jwt, as Kong has them. */
#include "conf/plugin_jwt.h"
#include "conf/load.h"
#include "conf/value.h"

enum { CLAIM_EXP = 1, CLAIM_NBF = 2 };

struct jwt_source {
    struct conf_jwt as; /* the first member: what others see */
    unsigned claims;
    struct conf_text anonymous;
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

static void finish(struct load *load, struct source_plugin *p)
{
    struct jwt_source *config = p->config;
    const config_setting_t *at = config_setting_get_member(p->at, "config");
    config->as.verify_exp = config->claims & CLAIM_EXP;
    config->as.verify_nbf = config->claims & CLAIM_NBF;
    config->as.anonymous = load_consumer(load, config->anonymous, at, "anonymous");
    if (config->as.maximum_expiration && !config->as.verify_exp)
        report_key(&load->report, at, "maximum_expiration", "needs \"exp\" among claims_to_verify");
    if (config->as.uri_param_names.n + config->as.cookie_names.n + config->as.header_names.n == 0)
        report_key(&load->report, at, "header_names", "a token must be allowed somewhere");
}

const struct load_kind plugin_jwt_kind = { &table, true, finish };
