/* SPDX-License-Identifier: Apache-2.0 */
/* The fields of hmac-auth, as Kong has them. */
#include "conf/plugins/plugin_hmac_auth.h"
#include "conf/load.h"
#include "conf/value.h"
#include <string.h>

struct hmac_auth_source {
    struct conf_hmac_auth as; /* the first member: what others see */
    struct conf_text anonymous;
};

static const struct fields_name algorithms[] = { { "hmac-sha1", CONF_HMAC_SHA1 },
                                                 { "hmac-sha256", CONF_HMAC_SHA256 },
                                                 { "hmac-sha384", CONF_HMAC_SHA384 },
                                                 { "hmac-sha512", CONF_HMAC_SHA512 },
                                                 { 0 } };

/* A field's name, or "@request-target". */
static bool is_signed(const char *s, size_t n, char *why, size_t size)
{
    bool target = *s == '@';
    return value_is_token(s + target, n - target, why, size);
}

#define CONFIG struct hmac_auth_source
static const struct fields_row rows[] = {
    { FIELDS_ROW_BOOL(CONFIG, as.hide_credentials, "hide_credentials"), .preset = "false",
      .doc = "The signature is not sent upstream." },
    { FIELDS_ROW_INT(CONFIG, as.clock_skew, "clock_skew"), .preset = "300", .min = 1,
      .max = INT32_MAX, .doc = "How far Date or X-Date may be from the gateway's clock, s." },
    { FIELDS_ROW_BOOL(CONFIG, as.validate_request_body, "validate_request_body"), .preset = "false",
      .doc = "Whether the body has to fit Digest: SHA-256=BASE64 (no Digest: it has to be empty). "
             "It is compared while it streams; no upstream gets the end of one that does not fit. "
             "List digest in enforce_headers, or anybody may write it." },
    { FIELDS_ROW_TEXTS(CONFIG, as.enforce_headers, "enforce_headers"), .preset = "[ ]",
      .flags = FIELDS_SET | FIELDS_LOWER, .check = is_signed,
      .doc = "Fields that every signature has to cover; request-line and @request-target too." },
    { FIELDS_ROW_FLAGS(CONFIG, as.algorithms, "algorithms"),
      .preset = "[ \"hmac-sha1\", \"hmac-sha256\", \"hmac-sha384\", \"hmac-sha512\" ]",
      .flags = FIELDS_FILLED, .names = algorithms, .doc = "What signatures may be made with." },
    { FIELDS_ROW_TEXT(CONFIG, as.realm, "realm"), .preset = "\"\"", .check = value_is_printable,
      .doc = "The realm named in WWW-Authenticate." },
    { FIELDS_ROW_TEXT(CONFIG, anonymous, "anonymous"), .preset = "\"\"",
      .doc =
          "The consumer (username, custom_id or id) of requests without a valid signature; \"\" "
          "refuses them. A body that does not fit its Digest at its end is refused in any case." },
};
static const struct fields_table table = {
    .title = "hmac-auth",
    .doc = "Knows a consumer by a signature over fields of the request: Authorization: hmac "
           "username=\"u\", algorithm=\"hmac-sha256\", headers=\"date request-line\", "
           "signature=\"BASE64\". A field is signed as \"name: value\", request-line as the first "
           "line, @request-target as \"@request-target: get /path?query\". Where Date or X-Date is "
           "signed, only a signed one tells the "
           "time.",
    FIELDS_TABLE(rows),
    .size = sizeof(CONFIG),
    .at = SIZE_MAX
};

static void finish(struct load *load, struct source_plugin *p)
{
    struct hmac_auth_source *config = p->config;
    const config_setting_t *at = config_setting_get_member(p->at, "config");
    config->as.anonymous = load_consumer(load, config->anonymous, at, "anonymous");
}

const struct load_kind plugin_hmac_auth_kind = { &table, true, finish };
