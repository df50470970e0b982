/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cells hold what clients of the gateway sent (paths, header fields), so control characters never
 * reach the terminal. Widths are counted in characters, so that names outside ASCII align as well.
 */
#include "master/ctl/ctl_table.h"
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { CELL_MAX = 64, GAP = 2 };

static const json_t *at_path(const json_t *object, const char *path)
{
    char key[CELL_MAX];

    for (const char *dot; (dot = strchr(path, '.')) != NULL; path = dot + 1) {
        if ((size_t)(dot - path) >= sizeof key)
            return NULL;
        memcpy(key, path, (size_t)(dot - path));
        key[dot - path] = '\0';
        object = json_object_get(object, key);
    }
    return json_object_get(object, path);
}

/* --- cells ---------------------------------------------------------------------------------- */

static void write_bytes(FILE *out, double n)
{
    static const char units[] = "BKMGTP";
    size_t unit = 0;

    while (n >= 1024 && units[unit + 1] != '\0') {
        n /= 1024;
        unit++;
    }
    if (unit == 0)
        fprintf(out, "%.0f", n);
    else
        fprintf(out, n < 10 ? "%.1f%c" : "%.0f%c", n, units[unit]);
}

static void write_seconds(FILE *out, long long s)
{
    if (s < 0) {
        fputc('-', out);
        s = -s;
    }
    if (s < 60)
        fprintf(out, "%llds", s);
    else if (s < 3600)
        fprintf(out, "%lldm%02llds", s / 60, s % 60);
    else if (s < 86400)
        fprintf(out, "%lldh%02lldm", s / 3600, s / 60 % 60);
    else
        fprintf(out, "%lldd%02lldh", s / 86400, s / 3600 % 24);
}

static void write_ms(FILE *out, long long ms)
{
    if (ms < 1000)
        fprintf(out, "%lldms", ms);
    else
        write_seconds(out, ms / 1000);
}

/* UTF-8 as it is; control characters, those of U+0080 to U+009F included, as "?". */
static void write_text(FILE *out, const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++) {
        bool c1 = p[0] == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0;
        fputc(*p < 0x20 || *p == 0x7f || c1 ? '?' : *p, out);
        p += c1;
    }
}

static void write_value(FILE *out, const json_t *value, enum ctl_table_kind kind);

static void write_list(FILE *out, const json_t *list)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (i > 0)
            fputc(',', out);
        write_value(out, json_array_get(list, i), CTL_TABLE_TEXT);
    }
}

static void write_value(FILE *out, const json_t *value, enum ctl_table_kind kind)
{
    bool empty = value == NULL || json_is_null(value) ||
                 (json_is_string(value) && json_string_length(value) == 0) ||
                 (json_is_array(value) && json_array_size(value) == 0);

    if (empty)
        fputc('-', out);
    else if (json_is_string(value))
        write_text(out, json_string_value(value));
    else if (json_is_array(value))
        write_list(out, value);
    else if (json_is_boolean(value))
        fputs(json_is_true(value) ? "yes" : "no", out);
    else if (kind == CTL_TABLE_BYTES)
        write_bytes(out, json_number_value(value));
    else if (kind == CTL_TABLE_MS)
        write_ms(out, (long long)json_number_value(value));
    else if (kind == CTL_TABLE_WHOLE)
        fprintf(out, "%.0f", json_number_value(value));
    else if (kind == CTL_TABLE_PERCENT)
        fprintf(out, "%.1f%%", 100 * json_number_value(value));
    else if (kind == CTL_TABLE_S)
        write_seconds(out, (long long)json_number_value(value));
    else if (json_is_integer(value))
        fprintf(out, "%lld", (long long)json_integer_value(value));
    else
        fprintf(out, "%g", json_number_value(value));
}

char *ctl_table_cell(const json_t *value, enum ctl_table_kind kind)
{
    char *text = NULL;
    size_t n;
    FILE *out = open_memstream(&text, &n);

    if (out == NULL)
        return NULL;
    write_value(out, value, kind);
    if (fclose(out) != 0) {
        free(text);
        return NULL;
    }
    return text;
}

/* --- tables --------------------------------------------------------------------------------- */

static int width_of(const char *text)
{
    int n = 0;

    for (; *text != '\0'; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

static void pad(FILE *out, int n)
{
    while (n-- > 0)
        fputc(' ', out);
}

/* The last column is not filled up, so that no line ends in spaces. */
static void put(FILE *out, const char *text, int width, bool right, bool last)
{
    int spare = width - width_of(text);

    if (right)
        pad(out, spare);
    fputs(text, out);
    if (!last)
        pad(out, (right ? 0 : spare) + GAP);
}

static int column_width(const struct ctl_table_column *column, const json_t *rows)
{
    int width = width_of(column->title);

    for (size_t i = 0; i < json_array_size(rows); i++) {
        char *text = ctl_table_cell(at_path(json_array_get(rows, i), column->field), column->kind);
        if (text != NULL && width_of(text) > width)
            width = width_of(text);
        free(text);
    }
    return width;
}

static void print_row(FILE *out, const struct ctl_table_column *columns, size_t n,
                      const int *widths, const json_t *row)
{
    for (size_t i = 0; i < n; i++) {
        char *text =
            row != NULL ? ctl_table_cell(at_path(row, columns[i].field), columns[i].kind) : NULL;
        put(out,
            row == NULL    ? columns[i].title
            : text != NULL ? text
                           : "",
            widths[i], columns[i].kind != CTL_TABLE_TEXT, i + 1 == n);
        free(text);
    }
    fputc('\n', out);
}

void ctl_table_print(FILE *out, const struct ctl_table_column *columns, size_t n,
                     const json_t *rows)
{
    int widths[CELL_MAX];

    if (n > CELL_MAX)
        return;
    for (size_t i = 0; i < n; i++)
        widths[i] = column_width(&columns[i], rows);
    print_row(out, columns, n, widths, NULL);
    for (size_t i = 0; i < json_array_size(rows); i++)
        print_row(out, columns, n, widths, json_array_get(rows, i));
}

void ctl_table_facts(FILE *out, const struct ctl_table_column *columns, size_t n,
                     const json_t *object)
{
    int width = 0;

    for (size_t i = 0; i < n; i++)
        if (width_of(columns[i].title) > width)
            width = width_of(columns[i].title);
    for (size_t i = 0; i < n; i++) {
        char *text = ctl_table_cell(at_path(object, columns[i].field), columns[i].kind);
        put(out, columns[i].title, width, false, false);
        fprintf(out, "%s\n", text != NULL ? text : "");
        free(text);
    }
}
