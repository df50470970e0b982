/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of fields. One row a field: key, type, place in a struct, default, range or names,
 * form, and one line of documentation. The rows drive reading and checking (reader.c), printing
 * (printer.c) and the manual (manual.c), so that none of them knows a field that another does not.
 * Tables nest: a row may be a group or a list of groups.
 */
#ifndef CONF_FIELDS_H
#define CONF_FIELDS_H

#include "conf/source.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum fields_type {                 /* what it fills */
                   FIELDS_BOOL,    /* bool */
                   FIELDS_INT,     /* int, within min..max, or one of names */
                   FIELDS_SIZE,    /* uint64_t bytes: a number, or text with k, m or g */
                   FIELDS_NUMBER,  /* double, within min..max */
                   FIELDS_TEXT,    /* struct conf_text */
                   FIELDS_MODE,    /* int: a file's mode in octal text, "0660" */
                   FIELDS_ENUM,    /* an enum: one of names */
                   FIELDS_FLAGS,   /* unsigned: a list of names, or-ed */
                   FIELDS_TEXTS,   /* struct conf_texts */
                   FIELDS_INTS,    /* struct conf_ints, each within min..max */
                   FIELDS_GROUP,   /* the struct of `table` */
                   FIELDS_LIST,    /* struct source_list of the structs of `table` */
                   FIELDS_MAP,     /* struct source_list of the structs of `table`, which begin with
                                      a struct conf_text: any key with a group */
                   FIELDS_HEADERS, /* struct source_list of struct conf_route_header: any key with a
                                      list of texts */
                   FIELDS_VARIANT  /* void *: a group whose table depends on what is read already,
                                      see `variant` */
};

enum fields_flag {
    FIELDS_REQUIRED = 1, /* has no default */
    FIELDS_FILLED = 2,   /* must not be empty (text or list) */
    FIELDS_LOWER = 4,    /* kept in lower case */
    FIELDS_SET = 8,      /* no element twice */
    FIELDS_INPUT = 16,   /* another way to say what other fields say; not printed */
    FIELDS_UNSET = 32,   /* sizes: "" means UINT64_MAX, somebody else's value holds */
    FIELDS_SECRET = 64,  /* texts: a secret, may be "$(env:NAME)" or "$(file:/path)", see secret.h;
                            one that is written as itself is not printed */
    FIELDS_REFERS = 128, /* texts, lists of them, headers: such references may be in them */
    FIELDS_NAMED = 256,  /* lists of "field:value": credentials that are written as themselves are
                            not printed; nor are those of headers */
};

struct fields_name {
    const char *name;
    int value;
};

struct fields_table;

struct fields_row {
    const char *key;
    const char *preset; /* the default, as it would be written; NULL with FIELDS_REQUIRED, groups
                           and variants */
    const char *doc;
    const struct fields_name *names; /* ends with a NULL name */
    const struct fields_table *table;
    /* Texts and elements of texts: false with the reason in why, which follows the quoted value
     * ("is not a ..."). */
    bool (*check)(const char *s, size_t n, char *why, size_t size);
    const struct fields_table *(*variant)(
        const void *object); /* NULL: none, the reason is reported elsewhere */
    int64_t min, max;
    enum fields_type type;
    unsigned flags; /* enum fields_flag */
    size_t offset;
};

struct fields_table {
    const char *title; /* for the manual: "upstreams" */
    const char *doc;   /* one or more sentences for the manual */
    const struct fields_row *rows;
    size_t rows_n;
    size_t size; /* of the struct */
    size_t
        at; /* offset of a `const config_setting_t *`: where the object was read; SIZE_MAX: none */
};

/* A member's offset, with its type checked. */
#define FIELDS_AT(s, member, member_type)                                                          \
    (offsetof(s, member) +                                                                         \
     0 * sizeof(char[_Generic(&((s *)0)->member, member_type * : 1, const member_type * : 1)]))
#define FIELDS_OF_SIZE(s, member, member_type)                                                     \
    (offsetof(s, member) +                                                                         \
     0 * sizeof(char[sizeof(((s *)0)->member) == sizeof(member_type) ? 1 : -1]))

#define FIELDS_ROW_BOOL(s, m, k) .type = FIELDS_BOOL, .key = k, .offset = FIELDS_AT(s, m, bool)
#define FIELDS_ROW_INT(s, m, k)  .type = FIELDS_INT, .key = k, .offset = FIELDS_AT(s, m, int)
#define FIELDS_ROW_SIZE(s, m, k) .type = FIELDS_SIZE, .key = k, .offset = FIELDS_AT(s, m, uint64_t)
#define FIELDS_ROW_NUMBER(s, m, k)                                                                 \
    .type = FIELDS_NUMBER, .key = k, .offset = FIELDS_AT(s, m, double)
#define FIELDS_ROW_TEXT(s, m, k)                                                                   \
    .type = FIELDS_TEXT, .key = k, .offset = FIELDS_AT(s, m, struct conf_text)
#define FIELDS_ROW_MODE(s, m, k) .type = FIELDS_MODE, .key = k, .offset = FIELDS_AT(s, m, int)
#define FIELDS_ROW_ENUM(s, m, k) .type = FIELDS_ENUM, .key = k, .offset = FIELDS_OF_SIZE(s, m, int)
#define FIELDS_ROW_FLAGS(s, m, k)                                                                  \
    .type = FIELDS_FLAGS, .key = k, .offset = FIELDS_AT(s, m, unsigned)
#define FIELDS_ROW_TEXTS(s, m, k)                                                                  \
    .type = FIELDS_TEXTS, .key = k, .offset = FIELDS_AT(s, m, struct conf_texts)
#define FIELDS_ROW_INTS(s, m, k)                                                                   \
    .type = FIELDS_INTS, .key = k, .offset = FIELDS_AT(s, m, struct conf_ints)
#define FIELDS_ROW_GROUP(s, m, k, t)                                                               \
    .type = FIELDS_GROUP, .key = k, .table = &(t), .offset = offsetof(s, m)
#define FIELDS_ROW_LIST(s, m, k, t)                                                                \
    .type = FIELDS_LIST, .key = k, .table = &(t), .offset = FIELDS_AT(s, m, struct source_list)
#define FIELDS_ROW_MAP(s, m, k, t)                                                                 \
    .type = FIELDS_MAP, .key = k, .table = &(t), .offset = FIELDS_AT(s, m, struct source_list)
#define FIELDS_ROW_HEADERS(s, m, k)                                                                \
    .type = FIELDS_HEADERS, .key = k, .offset = FIELDS_AT(s, m, struct source_list)

#define FIELDS_TABLE(rows_) .rows = (rows_), .rows_n = sizeof(rows_) / sizeof((rows_)[0])

/* The member of an object that a row describes. */
static inline void *fields_member(const struct fields_row *row, const void *object)
{
    return (char *)(uintptr_t)object + row->offset;
}

/* The whole file: a struct source. Its rows are in fields.c, those of the entities in the entity's
 * file. */
extern const struct fields_table fields_top;
/* The entities', each with its file. */
extern const struct fields_table upstream_fields_table, service_fields_table, consumers_fields,
    certificates_fields, plugin_fields, certificates_client_fields;

/* Shared by several tables. */
extern const struct fields_name fields_protocols[];

#endif
