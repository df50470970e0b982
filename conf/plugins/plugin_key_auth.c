/* SPDX-License-Identifier: Apache-2.0 */
/* The fields of key-auth, as Kong has them; a key in the body is refused, since looking for it
 * would hold the body back. */
#include "conf/plugins/plugin_key_auth.h"
#include "conf/load.h"
#include "conf/value.h"

struct key_auth_source {
    struct conf_key_auth as; /* the first member: what others see */
    struct conf_text anonymous;
};

#define CONFIG struct key_auth_source
static const struct fields_row rows[] = {
    { FIELDS_ROW_TEXTS(CONFIG, as.key_names, "key_names"), .preset = "[ \"apikey\" ]",
      .flags = FIELDS_FILLED | FIELDS_SET, .check = value_is_token,
      .doc = "Header fields and query parameters in which the key is looked for." },
    { FIELDS_ROW_BOOL(CONFIG, as.key_in_header, "key_in_header"), .preset = "true",
      .doc = "It may be in a header field." },
    { FIELDS_ROW_BOOL(CONFIG, as.key_in_query, "key_in_query"), .preset = "true",
      .doc = "It may be in the query." },
    { FIELDS_ROW_BOOL(CONFIG, as.key_in_body, "key_in_body"), .preset = "false",
      .doc = "It may be in the body: refused, since the body is streamed." },
    { FIELDS_ROW_BOOL(CONFIG, as.hide_credentials, "hide_credentials"), .preset = "false",
      .doc = "The key is not sent upstream." },
    { FIELDS_ROW_BOOL(CONFIG, as.run_on_preflight, "run_on_preflight"), .preset = "true",
      .doc = "Whether OPTIONS requests need a key too." },
    { FIELDS_ROW_TEXT(CONFIG, as.realm, "realm"), .preset = "\"\"", .check = value_is_printable,
      .doc = "The realm named in WWW-Authenticate." },
    { FIELDS_ROW_TEXT(CONFIG, anonymous, "anonymous"), .preset = "\"\"",
      .doc = "The consumer (username, custom_id or id) of requests without a valid key; \"\" "
             "refuses them." },
};
static const struct fields_table table = { .title = "key-auth",
                                           .doc = "Knows a consumer by a key in the request.",
                                           FIELDS_TABLE(rows),
                                           .size = sizeof(CONFIG),
                                           .at = SIZE_MAX };

static void finish(struct load *load, struct source_plugin *p)
{
    struct key_auth_source *config = p->config;
    const config_setting_t *at = config_setting_get_member(p->at, "config");
    config->as.anonymous = load_consumer(load, config->anonymous, at, "anonymous");
    if (config->as.key_in_query)
        load_secret_arguments(load, &config->as.key_names);
    if (config->as.key_in_body)
        report_key(&load->report, at, "key_in_body",
                   "cannot be true: the body is streamed, not read");
    if (!config->as.key_in_header && !config->as.key_in_query && !config->as.key_in_body)
        report_key(&load->report, at, "key_in_header", "a key must be allowed somewhere");
}

const struct load_kind plugin_key_auth_kind = { &table, true, finish };
