/* SPDX-License-Identifier: Apache-2.0 */
/* The fields of security-headers. Defaults are those that break no site that does not frame or
 * sniff. */
#include "conf/plugins/plugin_security_headers.h"
#include "conf/load.h"
#include "conf/value.h"
#include <stdio.h>
#include <strings.h>

static bool is_frame_options(const char *s, size_t n, char *why, size_t size)
{
    if (n == 0 || strcasecmp(s, "DENY") == 0 || strcasecmp(s, "SAMEORIGIN") == 0)
        return true;
    snprintf(why, size, "is not DENY or SAMEORIGIN");
    return false;
}

#define CONFIG struct conf_security_headers
static const struct fields_row rows[] = {
    { FIELDS_ROW_INT(CONFIG, hsts_max_age, "hsts_max_age"), .preset = "31536000", .max = INT32_MAX,
      .doc = "max-age of Strict-Transport-Security (RFC 6797), sent over TLS only; 0 is no such "
             "field." },
    { FIELDS_ROW_BOOL(CONFIG, hsts_include_subdomains, "hsts_include_subdomains"),
      .preset = "false", .doc = "Whether it says includeSubDomains." },
    { FIELDS_ROW_BOOL(CONFIG, hsts_preload, "hsts_preload"), .preset = "false",
      .doc = "Whether it says preload." },
    { FIELDS_ROW_BOOL(CONFIG, content_type_nosniff, "content_type_nosniff"), .preset = "true",
      .doc = "X-Content-Type-Options: nosniff." },
    { FIELDS_ROW_TEXT(CONFIG, frame_options, "frame_options"), .preset = "\"SAMEORIGIN\"",
      .check = is_frame_options, .doc = "X-Frame-Options; \"\" is none." },
    { FIELDS_ROW_TEXT(CONFIG, content_security_policy, "content_security_policy"), .preset = "\"\"",
      .check = value_is_printable, .doc = "Content-Security-Policy; \"\" is none." },
    { FIELDS_ROW_TEXT(CONFIG, referrer_policy, "referrer_policy"),
      .preset = "\"strict-origin-when-cross-origin\"", .check = value_is_printable,
      .doc = "Referrer-Policy; \"\" is none." },
    { FIELDS_ROW_TEXT(CONFIG, permissions_policy, "permissions_policy"), .preset = "\"\"",
      .check = value_is_printable, .doc = "Permissions-Policy; \"\" is none." },
    { FIELDS_ROW_TEXT(CONFIG, cross_origin_opener_policy, "cross_origin_opener_policy"),
      .preset = "\"\"", .check = value_is_printable,
      .doc = "Cross-Origin-Opener-Policy; \"\" is none." },
    { FIELDS_ROW_TEXT(CONFIG, cross_origin_resource_policy, "cross_origin_resource_policy"),
      .preset = "\"\"", .check = value_is_printable,
      .doc = "Cross-Origin-Resource-Policy; \"\" is none." },
};
static const struct fields_table table = {
    .title = "security-headers",
    .doc = "Sets fields on responses that tell browsers what not to do, in place of the upstream's "
           "own.",
    FIELDS_TABLE(rows),
    .size = sizeof(CONFIG),
    .at = SIZE_MAX
};

static void finish(struct load *load, struct source_plugin *p)
{
    struct conf_security_headers *config = p->config;
    config->hsts = (struct conf_text){ "", 0 };
    if (config->hsts_max_age)
        config->hsts = memory_format(&load->memory, "max-age=%d%s%s", config->hsts_max_age,
                                     config->hsts_include_subdomains ? "; includeSubDomains" : "",
                                     config->hsts_preload ? "; preload" : "");
}

const struct load_kind plugin_security_headers_kind = { &table, false, finish };
