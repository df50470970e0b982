/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The manual page in man(7) markup. What it says of a field is what the reader checks: type, range,
 * names and default come from the same row.
 */
#include "conf/manual.h"
#include "conf/load.h"
#include "conf/value.h"
#include <inttypes.h>
#include <string.h>

static void put(FILE *out, const char *text)
{
    for (const char *p = text; *p; p++) {
        if (*p == '\\')
            fputs("\\e", out);
        else if (*p == '-')
            fputs("\\-", out);
        else if ((*p == '.' || *p == '\'') && p == text)
            fprintf(out, "\\&%c", *p);
        else
            putc(*p, out);
    }
}

static void put_names(FILE *out, const char *before, const struct fields_name *names)
{
    fputs(before, out);
    for (; names->name; names++) {
        put(out, names->name);
        fputs(names[1].name ? ", " : "", out);
    }
}

static void put_range(FILE *out, const char *what, const struct fields_row *row)
{
    char least[VALUE_SIZE_TEXT], most[VALUE_SIZE_TEXT];
    if (row->names) {
        put_names(out, "one of ", row->names);
        return;
    }
    fputs(what, out);
    if (row->type == FIELDS_SIZE) {
        value_size_text((uint64_t)row->min, least);
        value_size_text((uint64_t)row->max, most);
        if (row->max == INT64_MAX)
            fprintf(out, ", at least %s", least);
        else
            fprintf(out, ", %s to %s", least, most);
        return;
    }
    fputs(", ", out);
    char text[64];
    snprintf(text, sizeof text, "%" PRId64 " to %" PRId64, row->min, row->max);
    put(out, text);
}

static void put_type(FILE *out, const struct fields_row *row)
{
    switch (row->type) {
    case FIELDS_BOOL:
        fputs("true or false", out);
        break;
    case FIELDS_INT:
        put_range(out, "integer", row);
        break;
    case FIELDS_SIZE:
        put_range(out, "size", row);
        break;
    case FIELDS_NUMBER:
        put_range(out, "number", row);
        break;
    case FIELDS_TEXT:
        fputs("string", out);
        break;
    case FIELDS_MODE:
        fputs("string, octal", out);
        break;
    case FIELDS_ENUM:
        put_names(out, "one of ", row->names);
        break;
    case FIELDS_FLAGS:
        put_names(out, "array of ", row->names);
        break;
    case FIELDS_TEXTS:
        fputs("array of strings", out);
        break;
    case FIELDS_INTS:
        put_range(out, "array of integers", row);
        break;
    case FIELDS_HEADERS:
        fputs("group of arrays of strings", out);
        break;
    case FIELDS_GROUP:
    case FIELDS_VARIANT:
        fputs("group", out);
        break;
    case FIELDS_LIST:
        fputs("list of groups", out);
        break;
    case FIELDS_MAP:
        fputs("group of groups, by name", out);
        break;
    }
}

static void put_row(FILE *out, const struct fields_row *row)
{
    fputs(".TP\n.B ", out);
    put(out, row->key);
    fputs("\n(", out);
    put_type(out, row);
    if (row->flags & FIELDS_REQUIRED)
        fputs("; required", out);
    else if (row->preset) {
        fputs("; default ", out);
        put(out, row->preset);
    }
    fputs(")\n.br\n", out);
    put(out, row->doc);
    putc('\n', out);
}

static void put_table(FILE *out, const struct fields_table *table, const char *heading)
{
    fprintf(out, "%s ", heading);
    put(out, table->title);
    putc('\n', out);
    put(out, table->doc);
    putc('\n', out);
    for (size_t i = 0; i < table->rows_n; i++)
        put_row(out, &table->rows[i]);
    for (size_t i = 0; i < table->rows_n; i++) {
        const struct fields_row *row = &table->rows[i];
        if ((row->type == FIELDS_GROUP || row->type == FIELDS_LIST || row->type == FIELDS_MAP) &&
            row->table != &plugin_fields)
            put_table(out, row->table, ".SS");
    }
}

static void put_plugins(FILE *out)
{
    fputs(".SH PLUGINS\n", out);
    put_table(out, &plugin_fields, ".SS");
    fputs("What follows is the group\n.B config\nof each plugin.\n", out);
    for (int kind = 0; kind < CONF_PLUGIN_KINDS; kind++)
        put_table(out, plugin_table((enum conf_plugin_kind)kind), ".SS");
}

static const char introduction[] = ".TH GATEWAY.CONF 5 \"\" gateway \"File formats\"\n"
                                   ".SH NAME\n"
                                   "gateway.conf \\- configuration of the HTTP gateway\n"
                                   ".SH DESCRIPTION\n"
                                   "The file is read by\n"
                                   ".BR gateway (8)\n"
                                   "at start and at each reload. It is checked as a whole: all "
                                   "errors are reported, each with its line, and a file with "
                                   "errors changes nothing.\n"
                                   ".PP\n"
                                   "The syntax is that of libconfig: settings\n"
                                   ".IR \"name \" \"= \" value ;\n"
                                   "where a value is a string in double quotes, a number, true or "
                                   "false, an array [ ... ] of these, a group { ... } of "
                                   "settings, or a list ( ... ) of groups, separated by commas. "
                                   "Comments begin with #, or are written as in C. In a "
                                   "string a backslash is written twice.\n"
                                   ".PP\n"
                                   "A size is a number of bytes or a string with k, m or g: "
                                   "\"16k\". Timeouts of clients and services are in "
                                   "milliseconds, times of health checks and caches in seconds. "
                                   "Entities and their fields carry the names that Kong has "
                                   "for them.\n";

static const char ending[] = ".SH ENVIRONMENT\n"
                             "A scalar of the top level is taken from the variable\n"
                             ".BI GATEWAY_ SETTING\n"
                             "if there is one (the name in capitals: GATEWAY_LOG_LEVEL), in place "
                             "of what the file says. Other variables with that "
                             "beginning mean nothing.\n"
                             ".SH SEE ALSO\n"
                             ".BR gateway (8),\n"
                             ".BR gatewayctl (1)\n";

void manual_print(FILE *out)
{
    fputs(introduction, out);
    put_table(out, &fields_top, ".SH");
    put_plugins(out);
    fputs(ending, out);
}
