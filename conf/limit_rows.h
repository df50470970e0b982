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
      .doc = "Whose requests are counted together. Who is no consumer is counted by the "          \
             "credential, and where a request has no such thing, by its client's address." },      \
        { FIELDS_ROW_TEXT(config, counted.header_name, "header_name"), .preset = "\"\"",           \
          .check = value_is_token,                                                                 \
          .doc = "The header field, with limit_by = \"header\"; lines of it that differ count as " \
                 "none." },                                                                        \
    {                                                                                              \
        FIELDS_ROW_TEXT(config, counted.path, "path"),                                             \
            .preset = "\"\"", .check = value_is_location,                                          \
            .doc = "The path whose requests are counted together, with limit_by = \"path\"."       \
    }

/* A limit a period; 0: none. The struct has a member `limits`. */
#define LIMIT_BY_PERIOD(config, i, k)                                                              \
    .type = FIELDS_INT, .key = k, .offset = FIELDS_AT(config, limits[i], int), .preset = "0",      \
    .max = INT32_MAX
/* Reports limits that are fewer than those of a shorter period, which would be meaningless, and
 * none at all. */
void limit_by_periods(struct load *load, const int limits[LIMIT_BY_PERIODS],
                      const config_setting_t *at);

/* Reports what is missing of limit_by's fields. */
void limit_by_check(struct load *load, const struct source_plugin *p, const struct conf_counted *c);

#endif
