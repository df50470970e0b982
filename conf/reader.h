/* SPDX-License-Identifier: Apache-2.0 */
/* From a parsed file to structs, by the table of fields. Knows types and tables, and nothing of
 * what they mean. */
#ifndef CONF_READER_H
#define CONF_READER_H

#include "conf/fields.h"
#include "conf/report.h"

struct reader_preset;

struct reader {
    struct memory *memory;  /* what objects are made of */
    struct memory *scratch; /* what is dropped when the load ends */
    struct report *report;
    struct reader_preset *presets;  /* one prototype a table, made when first asked for */
    const config_setting_t *around; /* where a group that is not written would be, under... */
    const char *around_key;         /* ...this key */
};

/* An empty libconfig object that lives until the load ends. */
config_t *reader_config(struct reader *reader);

/* Fills *object (table->size bytes) from group `at`: defaults first, then what is written. What is
 * wrong is reported and leaves the default, so that reading goes on and later checks find whole
 * values. Texts are never NULL. */
void reader_group(struct reader *reader, const struct fields_table *table,
                  const config_setting_t *at, void *object);

/* An object of defaults, shared and not to be changed. */
const void *reader_preset(struct reader *reader, const struct fields_table *table);

/* Puts variables GATEWAY_<KEY> in place of the scalars of the top level. */
void reader_environment(struct reader *reader, const struct fields_table *table,
                        config_setting_t *root);

#endif
