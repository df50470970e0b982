/* SPDX-License-Identifier: Apache-2.0 */
/* The fields of basic-auth, as Kong has them. */
#include "conf/plugins/plugin_basic_auth.h"
#include "conf/load.h"
#include "conf/value.h"

struct basic_auth_source {
    struct conf_basic_auth as; /* the first member: what others see */
    struct conf_text anonymous;
};

#define CONFIG struct basic_auth_source
static const struct fields_row rows[] = {
    { FIELDS_ROW_BOOL(CONFIG, as.hide_credentials, "hide_credentials"), .preset = "false",
      .doc = "Name and password are not sent upstream." },
    { FIELDS_ROW_TEXT(CONFIG, as.realm, "realm"), .preset = "\"service\"",
      .check = value_is_printable, .doc = "The realm named in WWW-Authenticate." },
    { FIELDS_ROW_TEXT(CONFIG, anonymous, "anonymous"), .preset = "\"\"",
      .doc = "The consumer (username, custom_id or id) of requests without a valid password; \"\" "
             "refuses them." },
};
static const struct fields_table table = { .title = "basic-auth",
                                           .doc = "Knows a consumer by a name and a password "
                                                  "(RFC 7617).",
                                           FIELDS_TABLE(rows),
                                           .size = sizeof(CONFIG),
                                           .at = SIZE_MAX };

static void finish(struct load *load, struct source_plugin *p)
{
    struct basic_auth_source *config = p->config;
    const config_setting_t *at = config_setting_get_member(p->at, "config");
    config->as.anonymous = load_consumer(load, config->anonymous, at, "anonymous");
}

const struct load_kind plugin_basic_auth_kind = { &table, true, finish };
