/* SPDX-License-Identifier: Apache-2.0 */
/* The fields of response-transformer, as Kong has them. */
#include "conf/plugins/plugin_response_transformer.h"
#include "conf/load.h"

struct response_transformer_source {
    struct conf_response_transformer as; /* the first member: what others see */
    struct transform_lists lists[CONF_CHANGE_KINDS];
};

#define ROWS(what, how)                                                                            \
    TRANSFORM_ROW(headers, "headers", FIELDS_REFERS | (how), what),                                \
        TRANSFORM_ROW_REFERRING(body, "json", what " Of JSON objects.")
static const struct fields_row remove_rows[] = { ROWS("Names.", 0) };
static const struct fields_row rename_rows[] = { ROWS("\"old:new\".", 0) };
static const struct fields_row replace_rows[] = { ROWS("\"name:value\".", FIELDS_NAMED),
                                                  TRANSFORM_ROW_TYPES };
static const struct fields_row add_rows[] = { ROWS("\"name:value\".", FIELDS_NAMED),
                                              TRANSFORM_ROW_TYPES };
static const struct fields_row append_rows[] = { ROWS("\"name:value\".", FIELDS_NAMED),
                                                 TRANSFORM_ROW_TYPES };
static const struct fields_row allow_rows[] = { TRANSFORM_ROW_TEXTS(body, "json", "Names.") };
TRANSFORM_TABLES;

#define CONFIG struct response_transformer_source
static const struct fields_row rows[] = {
    TRANSFORM_ROW_GROUPS(CONFIG),
    TRANSFORM_ROWS_BODY(
        CONFIG, as.json,
        "JSON of more bytes cannot be changed, and is not let through: 502 in its place."),
};
static const struct fields_table table = {
    .title = "response-transformer",
    .doc =
        "Changes the fields of every response, the gateway's own and stored ones included, in "
        "this order: remove, rename, replace, add, append, allow. What is stored stays as it came. "
        "Bodies of the type application/json are changed where a list names a part of them: such a "
        "body is held back until all of it has come, requests on the way there ask for no range "
        "and "
        "no encoding, and ETag becomes weak. What is malformed, no object, encoded all the same or "
        "a part goes on as it is.",
    FIELDS_TABLE(rows),
    .size = sizeof(CONFIG),
    .at = SIZE_MAX
};

static void finish(struct load *load, struct source_plugin *p)
{
    struct response_transformer_source *config = p->config;
    const config_setting_t *at = config_setting_get_member(p->at, "config");
    struct transform_part part = { at, "headers", offsetof(struct transform_lists, headers) };
    transform_read(load, &part, TRANSFORM_RESPONSE_FIELDS, config->lists, &config->as.headers);
    part = (struct transform_part){ at, "json", offsetof(struct transform_lists, body) };
    transform_read_body(load, &part, TRANSFORM_RESPONSE_BODY, config->lists, &config->as.json);
    p->as.holds = config->as.json.n ? "the response's body" : NULL;
}

const struct load_kind plugin_response_transformer_kind = { &table, false, finish };
