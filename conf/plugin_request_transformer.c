/* SPDX-License-Identifier: Apache-2.0 */
/* The fields of request-transformer, as Kong has them. What would need the body is refused. */
#include "conf/plugin_request_transformer.h"
#include "conf/load.h"
#include "conf/value.h"
#include <strings.h>

struct request_transformer_lists {
    struct conf_texts headers, querystring, body;
    struct conf_text uri;
};

struct request_transformer_source {
    struct conf_request_transformer as; /* the first member: what others see */
    struct request_transformer_lists lists[CONF_CHANGE_KINDS];
};

static bool is_uri(const char *s, size_t n, char *why, size_t size)
{
    (void)n;
    if (*s == '/')
        return true;
    snprintf(why, size, "does not begin with \"/\"");
    return false;
}

/* Those that would change whether a response has a body are not for this. */
static bool is_method(const char *s, size_t n, char *why, size_t size)
{
    static const char *const others[] = { "HEAD", "CONNECT", "TRACE" };
    if (!value_is_method(s, n, why, size))
        return false;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (strcasecmp(s, others[i]) == 0) {
            snprintf(why, size, "is a method whose responses are framed otherwise");
            return false;
        }
    return true;
}

#define LISTS struct request_transformer_lists
#define ROWS(headers_doc, arguments_doc)                                                           \
    { FIELDS_ROW_TEXTS(LISTS, headers, "headers"), .preset = "[ ]", .doc = headers_doc },          \
        { FIELDS_ROW_TEXTS(LISTS, querystring, "querystring"), .preset = "[ ]",                    \
          .doc = arguments_doc },                                                                  \
    {                                                                                              \
        FIELDS_ROW_TEXTS(LISTS, body, "body"),                                                     \
            .preset = "[ ]", .doc = "Refused unless empty: the body is streamed."                  \
    }
#define TABLE(kind, what)                                                                          \
    static const struct fields_table kind##_table = { .title = #kind,                              \
                                                      .doc = what,                                 \
                                                      FIELDS_TABLE(kind##_rows),                   \
                                                      .size = sizeof(LISTS),                       \
                                                      .at = SIZE_MAX }

static const struct fields_row remove_rows[] = { ROWS("Names.", "Names.") };
static const struct fields_row rename_rows[] = { ROWS("\"old:new\".", "\"old:new\".") };
static const struct fields_row replace_rows[] = {
    ROWS("\"name:value\"; Host may be set too.", "\"name:value\"."),
    { FIELDS_ROW_TEXT(LISTS, uri, "uri"), .preset = "\"\"", .check = is_uri,
      .doc = "The path that the upstream is asked for, in place of the service's path and the "
             "request's." },
};
static const struct fields_row add_rows[] = { ROWS("\"name:value\".", "\"name:value\".") };
static const struct fields_row append_rows[] = { ROWS("\"name:value\".", "\"name:value\".") };
TABLE(remove, "What is taken out.");
TABLE(rename, "What gets another name.");
TABLE(replace, "What gets another value where it is there.");
TABLE(add, "What is set where it is not there.");
TABLE(append, "What is set beside what is there.");

#define CONFIG struct request_transformer_source
static const struct fields_row rows[] = {
    { FIELDS_ROW_TEXT(CONFIG, as.http_method, "http_method"), .preset = "\"\"", .check = is_method,
      .doc = "The method that the upstream is asked with. Requests by HEAD keep theirs." },
    { FIELDS_ROW_GROUP(CONFIG, lists[CONF_CHANGE_REMOVE], "remove", remove_table),
      .doc = "What is taken out." },
    { FIELDS_ROW_GROUP(CONFIG, lists[CONF_CHANGE_RENAME], "rename", rename_table),
      .doc = "What gets another name." },
    { FIELDS_ROW_GROUP(CONFIG, lists[CONF_CHANGE_REPLACE], "replace", replace_table),
      .doc = "What gets another value where it is there." },
    { FIELDS_ROW_GROUP(CONFIG, lists[CONF_CHANGE_ADD], "add", add_table),
      .doc = "What is set where it is not there." },
    { FIELDS_ROW_GROUP(CONFIG, lists[CONF_CHANGE_APPEND], "append", append_table),
      .doc = "What is set beside what is there." },
};
static const struct fields_table table = {
    .title = "request-transformer",
    .doc = "Changes requests on their way to the upstream, in this order: remove, rename, replace, "
           "add, append. Values may say $(headers.name), $(query_params.name), "
           "$(uri_captures.name), $(headers[\"name\"]), $(uri_captures[1]), and $(a or b or "
           "\"text\") for the first that is there, all of the request as it came; and $(env:NAME), "
           "$(file:/path). A value that "
           "would hold a control character is refused with 400.",
    FIELDS_TABLE(rows),
    .size = sizeof(CONFIG),
    .at = SIZE_MAX
};

static void read_uri(struct load *load, struct request_transformer_source *config,
                     const config_setting_t *at)
{
    struct conf_text uri = config->lists[CONF_CHANGE_REPLACE].uri;
    char why[256];
    if (uri.n == 0)
        return;
    config->as.uri = template_read(&load->memory, uri, why, sizeof why);
    if (!config->as.uri)
        report_key(&load->report, config_setting_get_member(at, "replace"), "uri", "%s %s",
                   report_quote(&load->report, uri.s, uri.n), why);
}

static bool depends(const struct conf_transform *t, const char *name)
{
    for (int kind = 0; kind < CONF_CHANGE_KINDS; kind++)
        for (size_t i = 0; i < t->kinds[kind].n; i++) {
            const struct conf_change *change = &t->kinds[kind].v[i];
            if (change->value && change->value->by_field &&
                (!name || strcasecmp(change->name.s, name) == 0))
                return true;
        }
    return false;
}

static void finish(struct load *load, struct source_plugin *p)
{
    struct request_transformer_source *config = p->config;
    const config_setting_t *at = config_setting_get_member(p->at, "config");
    for (int kind = 0; kind < CONF_CHANGE_KINDS; kind++) {
        struct transform_list list = { at, (enum conf_change_kind)kind, "headers",
                                       config->lists[kind].headers };
        transform_read(load, &list, TRANSFORM_REQUEST_FIELDS, &config->as.headers.kinds[kind]);
        list.key = "querystring";
        list.texts = config->lists[kind].querystring;
        transform_read(load, &list, TRANSFORM_ARGUMENTS, &config->as.querystring.kinds[kind]);
        list.key = "body";
        list.texts = config->lists[kind].body;
        transform_refuse(load, &list);
    }
    read_uri(load, config, at);
    config->as.by_field = (config->as.uri && config->as.uri->by_field) ||
                          depends(&config->as.querystring, NULL) ||
                          depends(&config->as.headers, "host");
}

const struct load_kind plugin_request_transformer_kind = { &table, false, finish };
