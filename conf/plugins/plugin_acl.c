/* SPDX-License-Identifier: Apache-2.0 */
/* The fields of acl, as Kong has them. */
#include "conf/plugins/plugin_acl.h"
#include "conf/load.h"
#include "conf/value.h"

#define CONFIG struct conf_acl
static const struct fields_row rows[] = {
    { FIELDS_ROW_TEXTS(CONFIG, allow, "allow"), .preset = "[ ]", .flags = FIELDS_SET,
      .check = value_is_printable,
      .doc = "Groups whose consumers may pass; others may not. Instead of deny." },
    { FIELDS_ROW_TEXTS(CONFIG, deny, "deny"), .preset = "[ ]", .flags = FIELDS_SET,
      .check = value_is_printable,
      .doc = "Groups whose consumers may not pass; others may. Instead of allow." },
    { FIELDS_ROW_BOOL(CONFIG, hide_groups_header, "hide_groups_header"), .preset = "false",
      .doc = "Whether X-Consumer-Groups is kept from the upstream." },
    { FIELDS_ROW_BOOL(CONFIG, always_use_authenticated_groups, "always_use_authenticated_groups"),
      .preset = "false",
      .doc = "Whether groups that a plugin found count before the consumer's: refused, since none "
             "here finds any." },
};
static const struct fields_table table = {
    .title = "acl",
    .doc = "Lets consumers pass by their groups; needs a plugin before it that knows the consumer.",
    FIELDS_TABLE(rows),
    .size = sizeof(CONFIG),
    .at = SIZE_MAX
};

static void finish(struct load *load, struct source_plugin *p)
{
    const struct conf_acl *config = p->config;
    const config_setting_t *at = config_setting_get_member(p->at, "config");
    if (config->allow.n && config->deny.n)
        report_key(&load->report, at, "deny", "cannot be used with allow");
    if (config->always_use_authenticated_groups)
        report_key(&load->report, at, "always_use_authenticated_groups",
                   "cannot be true: groups are those of consumers, no plugin finds others");
    if (config->allow.n + config->deny.n == 0)
        report_key(&load->report, at ? at : p->at, "allow", "is empty, and so is deny");
}

const struct load_kind plugin_acl_kind = { &table, false, finish };
