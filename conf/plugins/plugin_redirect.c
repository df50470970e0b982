/* SPDX-License-Identifier: Apache-2.0 */
/* The fields of redirect, as Kong has them. */
#include "conf/plugins/plugin_redirect.h"
#include "conf/load.h"
#include <stdio.h>
#include <string.h>

/* The origin's length in "http(s)://authority...", 0 when it is no such URL. */
static size_t origin_length(const char *s, size_t n)
{
    size_t scheme = n > 8 && memcmp(s, "https://", 8) == 0  ? 8
                    : n > 7 && memcmp(s, "http://", 7) == 0 ? 7
                                                            : 0;
    if (scheme == 0)
        return 0;
    size_t authority = strcspn(s + scheme, "/?#");
    return authority ? scheme + authority : 0;
}

static bool is_url(const char *s, size_t n, char *why, size_t size)
{
    bool sound = origin_length(s, n) > 0;
    for (size_t i = 0; i < n; i++)
        sound = sound && s[i] > ' ' && s[i] < 0x7f && !strchr("\"<>\\^`{|}", s[i]);
    if (!sound)
        snprintf(why, size, "is not a URL with http:// or https://");
    return sound;
}

#define CONFIG struct conf_redirect
static const struct fields_row rows[] = {
    { FIELDS_ROW_INT(CONFIG, status_code, "status_code"), .preset = "301", .min = 300, .max = 399,
      .doc = "The status of the response." },
    { FIELDS_ROW_TEXT(CONFIG, location, "location"), .flags = FIELDS_REQUIRED, .check = is_url,
      .doc = "Where to: a whole URL." },
    { FIELDS_ROW_BOOL(CONFIG, keep_incoming_path, "keep_incoming_path"), .preset = "false",
      .doc = "Whether the request's path and query take the place of the location's." },
};
static const struct fields_table table = { .title = "redirect",
                                           .doc = "Sends clients to another URL.",
                                           FIELDS_TABLE(rows),
                                           .size = sizeof(CONFIG),
                                           .at = SIZE_MAX };

static void finish(struct load *load, struct source_plugin *p)
{
    struct conf_redirect *config = p->config;
    if (config->status_code == 304)
        report_key(&load->report, config_setting_get_member(p->at, "config"), "status_code",
                   "304 leads nowhere: it says that nothing was modified");
    config->origin = (struct conf_text){ config->location.s,
                                         origin_length(config->location.s, config->location.n) };
}

const struct load_kind plugin_redirect_kind = { &table, false, finish };
