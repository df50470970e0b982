/* SPDX-License-Identifier: Apache-2.0 */
/* limit_by in the field tables of plugins. */
#ifndef CONF_LIMIT_ROWS_H
#define CONF_LIMIT_ROWS_H

#include "conf/limit_by.h"
#include "conf/load.h"
#include "conf/value.h"

extern const struct fields_name limit_by_names[];
/* The three fields as rows of a plugin's table: its struct has a member `counted`. */
#define LIMIT_BY_ROWS(config)                                                                      \
    { FIELDS_ROW_ENUM(config, counted.limit_by, "limit_by"), .preset = "\"consumer\"",             \
      .names = limit_by_names,                                                                     \
      .doc = "Whose requests are counted together. Where a request has no such thing, its "        \
             "client's address is taken." },                                                       \
        { FIELDS_ROW_TEXT(config, counted.header_name, "header_name"), .preset = "\"\"",           \
          .check = value_is_token, .doc = "The header field, with limit_by = \"header\"." },       \
    {                                                                                              \
        FIELDS_ROW_TEXT(config, counted.path, "path"),                                             \
            .preset = "\"\"", .check = value_is_location,                                          \
            .doc = "The path whose requests are counted together, with limit_by = \"path\"."       \
    }

/* Reports what is missing of them. */
void limit_by_check(struct load *load, const struct source_plugin *p, const struct conf_counted *c);

#endif
