/* SPDX-License-Identifier: Apache-2.0 */
/* The fields of ip-restriction, as Kong has them. */
#include "conf/plugins/plugin_ip_restriction.h"
#include "conf/load.h"
#include "conf/value.h"

struct ip_restriction_source {
    struct conf_ip_restriction as; /* the first member: what others see */
    struct conf_texts allow, deny;
};

#define CONFIG struct ip_restriction_source
static const struct fields_row rows[] = {
    { FIELDS_ROW_TEXTS(CONFIG, allow, "allow"), .preset = "[ ]",
      .doc = "Addresses and networks (CIDR) that may pass, all others may not; [ ] is all." },
    { FIELDS_ROW_TEXTS(CONFIG, deny, "deny"), .preset = "[ ]",
      .doc = "Addresses and networks that may not pass, also where allow names them." },
    { FIELDS_ROW_INT(CONFIG, as.status, "status"), .preset = "403", .min = 400, .max = 599,
      .doc = "The status of the refusal." },
    { FIELDS_ROW_TEXT(CONFIG, as.message, "message"), .preset = "\"\"", .check = value_is_printable,
      .doc = "Its message; \"\" is \"IP address not allowed: \" and the address." },
};
static const struct fields_table table = {
    .title = "ip-restriction",
    .doc =
        "Lets clients pass by their address, which is that of real_ip_header where the peer is "
        "one of trusted_ips. Who comes by a Unix socket has none and is refused. For a consumer, "
        "give the instance a priority below that of the plugin that finds out who it is.",
    FIELDS_TABLE(rows),
    .size = sizeof(CONFIG),
    .at = SIZE_MAX
};

static void finish(struct load *load, struct source_plugin *p)
{
    struct ip_restriction_source *config = p->config;
    const config_setting_t *at = config_setting_get_member(p->at, "config");
    config->as.allow = networks_read(load, &config->allow, at, "allow");
    config->as.deny = networks_read(load, &config->deny, at, "deny");
    if (config->allow.n + config->deny.n == 0)
        report_key(&load->report, at ? at : p->at, "allow", "is empty, and so is deny");
}

const struct load_kind plugin_ip_restriction_kind = { &table, false, finish };
