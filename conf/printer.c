/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prints an object in the file's syntax: each field in the order of its table, defaults included.
 * Sizes are printed in the largest unit that divides them and fractions with as many digits as it
 * takes to read the same number again.
 */
#include "conf/printer.h"
#include "conf/secret.h"
#include "conf/value.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { PRINTER_STEP = 4 };

static unsigned hidden; /* secrets so far, of what is being printed */

static void print_group(FILE *out, const struct fields_table *table, const void *object,
                        int indent);

static void print_text(FILE *out, struct conf_text text)
{
    putc('"', out);
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.s[i];
        if (c == '"' || c == '\\')
            fprintf(out, "\\%c", c);
        else if (c == '\n')
            fputs("\\n", out);
        else if (c < 0x20 || c == 0x7f)
            fprintf(out, "\\x%02x", c);
        else
            putc(c, out);
    }
    putc('"', out);
}

/* A secret: the reference to it, or that there is one. The number keeps several apart, so that what
 * is printed can be read again. */
static void print_secret(FILE *out, struct conf_text text)
{
    struct conf_text written = secret_written(text);

    if (text.n && written.s == text.s)
        fprintf(out, "\"$(hidden:%u)\"", ++hidden);
    else
        print_text(out, written);
}

/* Whether a field of that name carries who somebody is. */
static bool is_credential(const char *name, size_t n)
{
    static const char *const names[] = { "authorization", "proxy-authorization",
                                         "cookie",        "apikey",
                                         "api-key",       "x-api-key",
                                         "x-auth-token" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strlen(names[i]) == n && strncasecmp(names[i], name, n) == 0)
            return true;
    return false;
}

/* The value of such a field, unless it only says where that is kept, or is made of the request. */
static void print_told(FILE *out, struct conf_text text, size_t skip)
{
    if (text.n > skip && !memmem(text.s, text.n, "$(", 2))
        fprintf(out, "\"%.*s***\"", (int)skip, text.s);
    else
        print_text(out, text);
}

/* "Authorization:Basic ...". */
static void print_named(FILE *out, struct conf_text text)
{
    const char *colon = memchr(text.s, ':', text.n);
    if (colon && is_credential(text.s, (size_t)(colon - text.s)))
        print_told(out, text, (size_t)(colon - text.s) + 1);
    else
        print_text(out, text);
}

static void print_credential(FILE *out, struct conf_text text)
{
    print_told(out, text, 0);
}

static void print_texts(FILE *out, struct conf_texts texts, bool refer,
                        void (*print)(FILE *, struct conf_text))
{
    fputs("[", out);
    for (size_t i = 0; i < texts.n; i++) {
        fputs(i ? ", " : " ", out);
        print(out, refer ? secret_written(texts.v[i]) : texts.v[i]);
    }
    fputs(" ]", out);
}

static void print_ints(FILE *out, struct conf_ints ints)
{
    fputs("[", out);
    for (size_t i = 0; i < ints.n; i++)
        fprintf(out, "%s%d", i ? ", " : " ", ints.v[i]);
    fputs(" ]", out);
}

static void print_size(FILE *out, uint64_t bytes)
{
    char text[VALUE_SIZE_TEXT] = "";
    if (bytes != UINT64_MAX)
        value_size_text(bytes, text);
    fprintf(out, "\"%s\"", text);
}

/* 15 digits where they are enough, 17 where not. */
static void print_number(FILE *out, double number)
{
    char text[40];
    snprintf(text, sizeof text, "%.15g", number);
    if (strtod(text, NULL) != number)
        snprintf(text, sizeof text, "%.17g", number);
    fputs(text, out);
}

static void print_enum(FILE *out, const struct fields_name *names, int value)
{
    while (names->name && names->value != value)
        names++;
    fprintf(out, "\"%s\"", names->name ? names->name : "");
}

static void print_flags(FILE *out, const struct fields_name *names, unsigned flags)
{
    const char *before = "[ ";
    if (flags == 0)
        fputs("[", out);
    for (; names->name; names++) {
        if (!(flags & (unsigned)names->value))
            continue;
        fprintf(out, "%s\"%s\"", before, names->name);
        before = ", ";
    }
    fputs(" ]", out);
}

static void print_list(FILE *out, const struct fields_table *table, const struct source_list *list,
                       int indent)
{
    fputs("(", out);
    for (size_t i = 0; i < list->n; i++) {
        fprintf(out, "%s\n%*s{\n", i ? "," : "", indent + PRINTER_STEP, "");
        print_group(out, table, (const char *)list->v + i * table->size, indent + 2 * PRINTER_STEP);
        fprintf(out, "%*s}", indent + PRINTER_STEP, "");
    }
    if (list->n)
        fprintf(out, "\n%*s)", indent, "");
    else
        fputs(" )", out);
}

static void print_map(FILE *out, const struct fields_table *table, const struct source_list *list,
                      int indent)
{
    fputs("{\n", out);
    for (size_t i = 0; i < list->n; i++) {
        const char *entry = (const char *)list->v + i * table->size;
        struct conf_text key;
        memcpy(&key, entry, sizeof key);
        fprintf(out, "%*s%s = {\n", indent + PRINTER_STEP, "", key.s);
        print_group(out, table, entry, indent + 2 * PRINTER_STEP);
        fprintf(out, "%*s};\n", indent + PRINTER_STEP, "");
    }
    fprintf(out, "%*s}", indent, "");
}

static void print_headers(FILE *out, const struct source_list *list, bool refer, int indent)
{
    const struct conf_route_header *headers = list->v;
    fputs("{\n", out);
    for (size_t i = 0; i < list->n; i++) {
        fprintf(out, "%*s%s = ", indent + PRINTER_STEP, "", headers[i].name.s);
        print_texts(out, headers[i].values, refer,
                    is_credential(headers[i].name.s, headers[i].name.n) ? print_credential
                                                                        : print_text);
        fputs(";\n", out);
    }
    fprintf(out, "%*s}", indent, "");
}

static void print_subgroup(FILE *out, const struct fields_table *table, const void *object,
                           int indent)
{
    fputs("{\n", out);
    if (table && object)
        print_group(out, table, object, indent + PRINTER_STEP);
    fprintf(out, "%*s}", indent, "");
}

static void print_value(FILE *out, const struct fields_row *row, const void *object, int indent)
{
    const void *p = fields_member(row, object);
    bool refer = row->flags & FIELDS_REFERS;
    switch (row->type) {
    case FIELDS_BOOL:
        fputs(*(const bool *)p ? "true" : "false", out);
        break;
    case FIELDS_INT:
        fprintf(out, "%d", *(const int *)p);
        break;
    case FIELDS_SIZE:
        print_size(out, *(const uint64_t *)p);
        break;
    case FIELDS_NUMBER:
        print_number(out, *(const double *)p);
        break;
    case FIELDS_TEXT:
        if (row->flags & FIELDS_SECRET)
            print_secret(out, *(const struct conf_text *)p);
        else
            print_text(out, refer ? secret_written(*(const struct conf_text *)p)
                                  : *(const struct conf_text *)p);
        break;
    case FIELDS_MODE:
        fprintf(out, "\"%04o\"", (unsigned)*(const int *)p);
        break;
    case FIELDS_ENUM:
        print_enum(out, row->names, *(const int *)p);
        break;
    case FIELDS_FLAGS:
        print_flags(out, row->names, *(const unsigned *)p);
        break;
    case FIELDS_TEXTS:
        print_texts(out, *(const struct conf_texts *)p, refer,
                    row->flags & FIELDS_NAMED ? print_named : print_text);
        break;
    case FIELDS_INTS:
        print_ints(out, *(const struct conf_ints *)p);
        break;
    case FIELDS_GROUP:
        print_subgroup(out, row->table, p, indent);
        break;
    case FIELDS_LIST:
        print_list(out, row->table, p, indent);
        break;
    case FIELDS_MAP:
        print_map(out, row->table, p, indent);
        break;
    case FIELDS_HEADERS:
        print_headers(out, p, refer, indent);
        break;
    case FIELDS_VARIANT:
        print_subgroup(out, row->variant(object), *(void *const *)p, indent);
        break;
    }
}

static void print_group(FILE *out, const struct fields_table *table, const void *object, int indent)
{
    for (size_t i = 0; i < table->rows_n; i++) {
        const struct fields_row *row = &table->rows[i];
        if (row->flags & FIELDS_INPUT)
            continue;
        fprintf(out, "%*s%s = ", indent, "", row->key);
        print_value(out, row, object, indent);
        fputs(";\n", out);
    }
}

void printer_print(FILE *out, const struct fields_table *table, const void *object)
{
    hidden = 0;
    print_group(out, table, object, 0);
}
