/* SPDX-License-Identifier: Apache-2.0 */
/* The fields of request-transformer, as Kong has them. */
#include "conf/plugins/plugin_request_transformer.h"
#include "conf/load.h"
#include "conf/value.h"
#include <string.h>
#include <strings.h>

struct request_transformer_source {
    struct conf_request_transformer as; /* the first member: what others see */
    struct transform_lists lists[CONF_CHANGE_KINDS];
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

#define ROWS(what, how)                                                                            \
    TRANSFORM_ROW(headers, "headers", how, what),                                                  \
        TRANSFORM_ROW_TEXTS(querystring, "querystring", what),                                     \
        TRANSFORM_ROW_TEXTS(body, "body", what " Of JSON objects, forms and multipart forms.")
static const struct fields_row remove_rows[] = { ROWS("Names.", 0) };
static const struct fields_row rename_rows[] = { ROWS("\"old:new\".", 0) };
static const struct fields_row replace_rows[] = {
    ROWS("\"name:value\"; of headers Host too.", FIELDS_NAMED),
    TRANSFORM_ROW_TYPES,
    { FIELDS_ROW_TEXT(struct transform_lists, uri, "uri"), .preset = "\"\"", .check = is_uri,
      .doc = "The path that the upstream is asked for, in place of the service's path and the "
             "request's." },
};
static const struct fields_row add_rows[] = { ROWS("\"name:value\".", FIELDS_NAMED),
                                              TRANSFORM_ROW_TYPES };
static const struct fields_row append_rows[] = { ROWS("\"name:value\".", FIELDS_NAMED),
                                                 TRANSFORM_ROW_TYPES };
static const struct fields_row allow_rows[] = { TRANSFORM_ROW_TEXTS(
    body, "body", "Names. Of JSON objects, forms and multipart forms.") };
TRANSFORM_TABLES;

#define CONFIG struct request_transformer_source
static const struct fields_row rows[] = {
    { FIELDS_ROW_TEXT(CONFIG, as.http_method, "http_method"), .preset = "\"\"", .check = is_method,
      .doc = "The method that the upstream is asked with. Requests by HEAD keep theirs. With GET, "
             "a body of the type application/x-www-form-urlencoded, of 16k at most, becomes a part "
             "of the query." },
    TRANSFORM_ROW_GROUPS(CONFIG),
    TRANSFORM_ROWS_BODY(CONFIG, as.body,
                        "Bodies that would be changed may have so many bytes: 413 past them."),
};
static const struct fields_table table = {
    .title = "request-transformer",
    .doc = "Changes requests on their way to the upstream, in this order: remove, rename, replace, "
           "add, append, allow. Bodies of the types application/json, "
           "application/x-www-form-urlencoded and multipart/form-data are changed where a list "
           "names a part of them: such a body is held back until all of it has come. What is "
           "malformed, no object, encoded or of another type goes on as it is. Values, and new "
           "names of arguments and in bodies, may say $(headers.name), $(query_params.name), "
           "$(uri_captures.name), $(headers[\"name\"]), $(uri_captures[1]), and $(a or b or "
           "\"text\") for the first that is there, all of the request as it came, with what "
           "plugins before this one set; and $(env:NAME), $(file:/path). A value that would hold a "
           "control "
           "character is refused with 400. Authorization made of what a client sent counts for the "
           "cache as the client's own.",
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

static void finish(struct load *load, struct source_plugin *p)
{
    struct request_transformer_source *config = p->config;
    const config_setting_t *at = config_setting_get_member(p->at, "config");
    struct transform_part part = { at, "headers", offsetof(struct transform_lists, headers) };
    transform_read(load, &part, TRANSFORM_REQUEST_FIELDS, config->lists, &config->as.headers);
    part =
        (struct transform_part){ at, "querystring", offsetof(struct transform_lists, querystring) };
    transform_read(load, &part, TRANSFORM_ARGUMENTS, config->lists, &config->as.querystring);
    part = (struct transform_part){ at, "body", offsetof(struct transform_lists, body) };
    transform_read_body(load, &part, TRANSFORM_REQUEST_BODY, config->lists, &config->as.body);
    bool moves = strcmp(config->as.http_method.s, "GET") == 0;
    p->as.holds = config->as.body.n || moves ? "the request's body" : NULL;
    read_uri(load, config, at);
    config->as.by_field = (config->as.uri && config->as.uri->by_field) ||
                          transform_is_by_field(&config->as.querystring, NULL) ||
                          transform_is_by_field(&config->as.headers, "host");
    config->as.authorizes = transform_moves_to(&config->as.headers, "authorization");
}

const struct load_kind plugin_request_transformer_kind = { &table, false, finish };
