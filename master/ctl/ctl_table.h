/* SPDX-License-Identifier: Apache-2.0 */
/* Tables for eyes, made from JSON: aligned columns, sizes and times in units that can be read. No
 * colours, no tricks. */
#ifndef MASTER_CTL_TABLE_H
#define MASTER_CTL_TABLE_H

#include <jansson.h>
#include <stdio.h>

enum ctl_table_kind {
    CTL_TABLE_TEXT,    /* strings; lists are joined by commas; absent, null and "" are "-" */
    CTL_TABLE_NUMBER,  /* to the right */
    CTL_TABLE_BYTES,   /* 1.5M */
    CTL_TABLE_MS,      /* a span: 1.5s */
    CTL_TABLE_S,       /* a span: 3h12m */
    CTL_TABLE_WHOLE,   /* a number without its fraction */
    CTL_TABLE_PERCENT, /* of a share: 0.125 is 12.5% */
};

struct ctl_table_column {
    const char *title;
    const char *field; /* "connections.active": a path into the object */
    enum ctl_table_kind kind;
};

/* One line an object of the array `rows`, under a line of titles. */
void ctl_table_print(FILE *out, const struct ctl_table_column *columns, size_t n,
                     const json_t *rows);

/* One line a column: title and value of the one object. */
void ctl_table_facts(FILE *out, const struct ctl_table_column *columns, size_t n,
                     const json_t *object);

/* The text of a cell, printable whatever the value is; malloc'd, NULL: no memory. */
char *ctl_table_cell(const json_t *value, enum ctl_table_kind kind);

#endif
