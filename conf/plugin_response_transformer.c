/* SPDX-License-Identifier: Apache-2.0 */
/* The fields of response-transformer, as Kong has them. What would need the body is refused. */
#include "conf/plugin_response_transformer.h"
#include "conf/load.h"

struct response_transformer_lists {
    struct conf_texts headers, json;
};

struct response_transformer_source {
    struct conf_response_transformer as; /* the first member: what others see */
    struct response_transformer_lists lists[CONF_CHANGE_KINDS];
};

#define LISTS struct response_transformer_lists
#define TABLE(kind, what, headers_doc)                                                             \
    static const struct fields_row kind##_rows[] = {                                               \
        { FIELDS_ROW_TEXTS(LISTS, headers, "headers"), .preset = "[ ]", .doc = headers_doc },      \
        { FIELDS_ROW_TEXTS(LISTS, json, "json"), .preset = "[ ]",                                  \
          .doc = "Refused unless empty: the body is streamed." },                                  \
    };                                                                                             \
    static const struct fields_table kind##_table = { .title = #kind,                              \
                                                      .doc = what,                                 \
                                                      FIELDS_TABLE(kind##_rows),                   \
                                                      .size = sizeof(LISTS),                       \
                                                      .at = SIZE_MAX }

TABLE(remove, "What is taken out.", "Names.");
TABLE(rename, "What gets another name.", "\"old:new\".");
TABLE(replace, "What gets another value where it is there.", "\"name:value\".");
TABLE(add, "What is set where it is not there.", "\"name:value\".");
TABLE(append, "What is set beside what is there.", "\"name:value\".");

#define CONFIG struct response_transformer_source
static const struct fields_row rows[] = {
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
    .title = "response-transformer",
    .doc = "Changes the fields of every response, the gateway's own and stored ones included, in "
           "this order: remove, rename, replace, add, append. What is stored stays as it came.",
    FIELDS_TABLE(rows),
    .size = sizeof(CONFIG),
    .at = SIZE_MAX
};

static void finish(struct load *load, struct source_plugin *p)
{
    struct response_transformer_source *config = p->config;
    const config_setting_t *at = config_setting_get_member(p->at, "config");
    for (int kind = 0; kind < CONF_CHANGE_KINDS; kind++) {
        struct transform_list list = { at, (enum conf_change_kind)kind, "headers",
                                       config->lists[kind].headers };
        transform_read(load, &list, TRANSFORM_RESPONSE_FIELDS, &config->as.headers.kinds[kind]);
        list.key = "json";
        list.texts = config->lists[kind].json;
        transform_refuse(load, &list);
    }
}

const struct load_kind plugin_response_transformer_kind = { &table, false, finish };
