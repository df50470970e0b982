/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of changes as the transformers are told them: "name", "old:new", "name:value"; and the part
 * of the tables of fields that both of them have. */
#ifndef CONF_TRANSFORM_H
#define CONF_TRANSFORM_H

#include "conf/template.h"
#include <stdint.h>

enum { TRANSFORM_BODY_MAX = 64 * 1024 * 1024 };

/* In the order in which they are done. */
enum conf_change_kind {
    CONF_CHANGE_REMOVE,
    CONF_CHANGE_RENAME,
    CONF_CHANGE_REPLACE,
    CONF_CHANGE_ADD,
    CONF_CHANGE_APPEND,
    CONF_CHANGE_ALLOW, /* bodies only: what is not named is taken out */
    CONF_CHANGE_KINDS
};

enum conf_json_type { CONF_JSON_STRING, CONF_JSON_NUMBER, CONF_JSON_BOOLEAN };

struct conf_change {
    struct conf_text name;
    struct conf_text to;               /* what it is renamed to, or a value without templates */
    const struct conf_template *value; /* of requests: the same to be filled in; else NULL */
    enum conf_json_type type;          /* of a value in a JSON body */
};

struct conf_changes {
    const struct conf_change *v;
    size_t n;
};

struct conf_transform {
    struct conf_changes kinds[CONF_CHANGE_KINDS];
};

struct conf_body_transform {
    struct conf_transform changes;
    size_t n;          /* of all of them; 0: the body is streamed */
    bool dots_in_keys; /* false: a dot leads into an object */
    uint64_t max_size; /* bytes */
};

enum transform_of {
    TRANSFORM_REQUEST_FIELDS,
    TRANSFORM_RESPONSE_FIELDS,
    TRANSFORM_ARGUMENTS,
    TRANSFORM_REQUEST_BODY,
    TRANSFORM_RESPONSE_BODY
};

/* What is written in a group of changes. */
struct transform_lists {
    struct conf_texts headers, querystring, body, json_types;
    struct conf_text uri;
};

/* The rows of a transformer's groups; tables are called <kind>_table. */
#define TRANSFORM_ROW(member, key, how, text)                                                      \
    {                                                                                              \
        FIELDS_ROW_TEXTS(struct transform_lists, member, key), .preset = "[ ]", .flags = (how),    \
                                                               .doc = text                         \
    }
#define TRANSFORM_ROW_TEXTS(member, key, text) TRANSFORM_ROW(member, key, 0, text)
/* The same where values are no templates, which know such references themselves. */
#define TRANSFORM_ROW_REFERRING(member, key, text) TRANSFORM_ROW(member, key, FIELDS_REFERS, text)
#define TRANSFORM_ROW_TYPES                                                                        \
    {                                                                                              \
        FIELDS_ROW_TEXTS(struct transform_lists, json_types, "json_types"),                        \
            .preset = "[ ]", .check = transform_is_type,                                           \
            .doc =                                                                                 \
                "What the values for JSON bodies are, in their order: string, number, boolean; a " \
                "string where nothing is said."                                                    \
    }
#define TRANSFORM_TABLE(kind, what)                                                                \
    static const struct fields_table kind##_table = { .title = #kind,                              \
                                                      .doc = what,                                 \
                                                      FIELDS_TABLE(kind##_rows),                   \
                                                      .size = sizeof(struct transform_lists),      \
                                                      .at = SIZE_MAX }
#define TRANSFORM_TABLES                                                                           \
    TRANSFORM_TABLE(remove, "What is taken out.");                                                 \
    TRANSFORM_TABLE(rename, "What gets another name.");                                            \
    TRANSFORM_TABLE(replace, "What gets another value where it is there.");                        \
    TRANSFORM_TABLE(add, "What is set where it is not there.");                                    \
    TRANSFORM_TABLE(append, "What is set beside what is there.");                                  \
    TRANSFORM_TABLE(allow, "What of a body stays, where this names anything.")
#define TRANSFORM_ROW_GROUP(s, kind, group, text)                                                  \
    {                                                                                              \
        FIELDS_ROW_GROUP(s, lists[CONF_CHANGE_##kind], #group, group##_table), .doc = text         \
    }
#define TRANSFORM_ROW_GROUPS(s)                                                                    \
    TRANSFORM_ROW_GROUP(s, REMOVE, remove, "What is taken out."),                                  \
        TRANSFORM_ROW_GROUP(s, RENAME, rename, "What gets another name."),                         \
        TRANSFORM_ROW_GROUP(s, REPLACE, replace, "What gets another value where it is there."),    \
        TRANSFORM_ROW_GROUP(s, ADD, add, "What is set where it is not there."),                    \
        TRANSFORM_ROW_GROUP(s, APPEND, append, "What is set beside what is there."),               \
        TRANSFORM_ROW_GROUP(                                                                       \
            s, ALLOW, allow,                                                                       \
            "What of a body stays, by outermost names, where this names anything.")

/* The rows about bodies, for a struct conf_body_transform at `member` of `s`. */
#define TRANSFORM_ROWS_BODY(s, member, text)                                                       \
    { FIELDS_ROW_BOOL(s, member.dots_in_keys, "dots_in_keys"), .preset = "true",                   \
      .doc =                                                                                       \
          "Whether a dot in a name of a JSON body is part of it; else it leads into an object, "   \
          "and [*] or [1] into all elements of an array or its first: "                            \
          "\"orders[*].lines[1].price\"." },                                                       \
    {                                                                                              \
        FIELDS_ROW_SIZE(s, member.max_size, "max_body_size"),                                      \
            .preset = "\"1m\"", .min = 1, .max = TRANSFORM_BODY_MAX, .doc = text                   \
    }

struct load;
struct config_setting_t;

/* Rows' check of json_types. */
bool transform_is_type(const char *s, size_t n, char *why, size_t size);

/* One member of the lists, in all groups. What is wrong is reported at member `key` of its group in
 * `config`, which may be NULL. */
struct transform_part {
    const struct config_setting_t *config;
    const char *key;
    size_t member; /* offset in struct transform_lists */
};
void transform_read(struct load *load, const struct transform_part *part, enum transform_of of,
                    const struct transform_lists lists[CONF_CHANGE_KINDS],
                    struct conf_transform *out);
void transform_read_body(struct load *load, const struct transform_part *part, enum transform_of of,
                         const struct transform_lists lists[CONF_CHANGE_KINDS],
                         struct conf_body_transform *out);

/* Whether a plugin may set a field of that name in requests; why not is worded to follow it. */
bool transform_is_field(struct conf_text name, char *why, size_t size);

/* Whether a value depends on more than the URL; name NULL: any. */
bool transform_is_by_field(const struct conf_transform *t, const char *name);
/* Whether a field of that name may get what a client sent elsewhere. */
bool transform_moves_to(const struct conf_transform *t, const char *name);

#endif
