/* SPDX-License-Identifier: Apache-2.0 */
/* The fields of correlation-id, as Kong has them. */
#include "conf/plugins/plugin_correlation_id.h"
#include "conf/load.h"
#include "conf/value.h"

#define CONFIG struct conf_correlation_id
static const struct fields_name generators[] = { { "uuid", CONF_CORRELATION_UUID },
                                                 { "uuid#counter", CONF_CORRELATION_UUID_COUNTER },
                                                 { "tracker", CONF_CORRELATION_TRACKER },
                                                 { 0 } };
static const struct fields_row rows[] = {
    { FIELDS_ROW_TEXT(CONFIG, header_name, "header_name"), .preset = "\"Kong-Request-ID\"",
      .flags = FIELDS_FILLED, .check = value_is_token, .doc = "The field that carries the id." },
    { FIELDS_ROW_ENUM(CONFIG, generator, "generator"), .preset = "\"uuid#counter\"",
      .names = generators,
      .doc = "How an id is made: a UUID each, one UUID for a worker and a counter, or address, "
             "process and time." },
    { FIELDS_ROW_BOOL(CONFIG, echo_downstream, "echo_downstream"), .preset = "false",
      .doc = "Whether the response carries it too." },
};
static const struct fields_table table = {
    .title = "correlation-id",
    .doc = "Gives each request an id, unless it has one already.",
    FIELDS_TABLE(rows),
    .size = sizeof(CONFIG),
    .at = SIZE_MAX
};
const struct load_kind plugin_correlation_id_kind = { &table, false, NULL };
