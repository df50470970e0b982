/* SPDX-License-Identifier: Apache-2.0 */
/* The fields of request-termination, as Kong has them. */
#include "conf/plugins/plugin_request_termination.h"
#include "conf/load.h"
#include "conf/value.h"

#define CONFIG struct conf_request_termination
static const struct fields_row rows[] = {
    { FIELDS_ROW_INT(CONFIG, status_code, "status_code"), .preset = "503", .min = 200, .max = 599,
      .doc = "The status of the response." },
    { FIELDS_ROW_TEXT(CONFIG, message, "message"), .preset = "\"\"", .check = value_is_printable,
      .doc = "The message of a JSON response." },
    { FIELDS_ROW_TEXT(CONFIG, content_type, "content_type"), .preset = "\"\"",
      .check = value_is_printable, .doc = "The type of the body." },
    { FIELDS_ROW_TEXT(CONFIG, body, "body"), .preset = "\"\"",
      .doc = "The body, as it is; instead of a message." },
    { FIELDS_ROW_TEXT(CONFIG, trigger, "trigger"), .preset = "\"\"", .check = value_is_token,
      .doc = "Only requests with a header field or a query parameter of this name are answered." },
    { FIELDS_ROW_BOOL(CONFIG, echo, "echo"), .preset = "false",
      .doc = "The response repeats the request." },
};
static const struct fields_table table = { .title = "request-termination",
                                           .doc = "Answers requests itself.",
                                           FIELDS_TABLE(rows),
                                           .size = sizeof(CONFIG),
                                           .at = SIZE_MAX };

static void finish(struct load *load, struct source_plugin *p)
{
    const struct conf_request_termination *config = p->config;
    const config_setting_t *at = config_setting_get_member(p->at, "config");
    if (config->message.n && (config->body.n || config->content_type.n))
        report_key(&load->report, at, "message", "cannot be used with a body or a content_type");
    if (config->content_type.n && config->body.n == 0)
        report_key(&load->report, at, "content_type", "needs a body");
    if (config->echo && config->body.n)
        report_key(&load->report, at, "echo", "cannot be used with a body");
}

const struct load_kind plugin_request_termination_kind = { &table, false, finish };
