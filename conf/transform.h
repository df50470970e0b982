/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of changes as the transformers are told them: "name", "old:new", "name:value". */
#ifndef CONF_TRANSFORM_H
#define CONF_TRANSFORM_H

#include "conf/template.h"
#include <stdbool.h>

/* In the order in which they are done. */
enum conf_change_kind {
    CONF_CHANGE_REMOVE,
    CONF_CHANGE_RENAME,
    CONF_CHANGE_REPLACE,
    CONF_CHANGE_ADD,
    CONF_CHANGE_APPEND,
    CONF_CHANGE_KINDS
};

struct conf_change {
    struct conf_text name;
    struct conf_text to;               /* what it is renamed to, or a value without templates */
    const struct conf_template *value; /* of requests: replace, add, append; else NULL */
};

struct conf_changes {
    const struct conf_change *v;
    size_t n;
};

struct conf_transform {
    struct conf_changes kinds[CONF_CHANGE_KINDS];
};

enum transform_of { TRANSFORM_REQUEST_FIELDS, TRANSFORM_RESPONSE_FIELDS, TRANSFORM_ARGUMENTS };

struct load;
struct config_setting_t;

/* How the groups of a transformer are called. */
extern const char *const transform_kinds[CONF_CHANGE_KINDS];

/* One list, read at member `key` of the group of its kind in `config`, which may be NULL: what is
 * wrong is reported there. */
struct transform_list {
    const struct config_setting_t *config;
    enum conf_change_kind kind;
    const char *key;
    struct conf_texts texts;
};
void transform_read(struct load *load, const struct transform_list *list, enum transform_of of,
                    struct conf_changes *out);
/* Whether a plugin may set a field of that name in requests; why not is worded to follow it. */
bool transform_is_field(struct conf_text name, char *why, size_t size);
/* Reports that a list of parts of a body is not empty. */
void transform_refuse(struct load *load, const struct transform_list *list);

#endif
