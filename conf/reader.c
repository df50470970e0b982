/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The generic reader. Defaults are written in the tables as text in the file's own syntax; they are
 * parsed once a load and a table, by the same code as the file, into a prototype that each object
 * starts as a copy of. An environment variable becomes a setting like any other, with a hook that
 * names it in errors.
 */
#include "conf/reader.h"
#include "conf/scalar.h"
#include "conf/value.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { READER_WHY = 256 };

struct reader_preset {
    struct reader_preset *next;
    const struct fields_table *table;
    void *object;
};

/* ---- arrays ---- */

/* Arrays have elements of one type, lists of any; both are taken where an array of scalars is
 * meant. */
static bool is_array(const config_setting_t *s)
{
    return config_setting_type(s) == CONFIG_TYPE_ARRAY ||
           config_setting_type(s) == CONFIG_TYPE_LIST;
}

static const config_setting_t *element(const config_setting_t *s, size_t i)
{
    return config_setting_get_elem(s, (unsigned)i);
}

static size_t length(const config_setting_t *s)
{
    return (size_t)config_setting_length(s);
}

static bool has_text(const struct conf_text *v, size_t n, struct conf_text text)
{
    for (size_t i = 0; i < n; i++)
        if (v[i].n == text.n && memcmp(v[i].s, text.s, text.n) == 0)
            return true;
    return false;
}

/* The elements of an array, of its own row without the flag that speaks of the array as a whole. */
static void read_texts(struct reader *r, const struct fields_row *row, const config_setting_t *s,
                       struct conf_texts *out)
{
    if (!is_array(s)) {
        scalar_wrong_type(r, s, "an array of strings [ \"...\" ]");
        return;
    }
    size_t n = length(s), used = 0;
    struct conf_text *v = memory_array(r->memory, n, sizeof *v);
    struct fields_row one = *row;
    one.flags |= FIELDS_FILLED;
    if (n == 0 && (row->flags & FIELDS_FILLED))
        report_add(r->report, s, "must not be empty");
    for (size_t i = 0; i < n; i++) {
        if (!scalar_text(r, &one, element(s, i), &v[used]))
            continue;
        if ((row->flags & FIELDS_SET) && has_text(v, used, v[used]))
            report_add(r->report, element(s, i), "%s is listed twice",
                       report_quote(r->report, v[used].s, v[used].n));
        else
            used++;
    }
    *out = (struct conf_texts){ v, used };
}

static void read_ints(struct reader *r, const struct fields_row *row, const config_setting_t *s,
                      struct conf_ints *out)
{
    if (!is_array(s)) {
        scalar_wrong_type(r, s, "an array of integers [ ... ]");
        return;
    }
    size_t n = length(s), used = 0;
    int *v = memory_array(r->memory, n, sizeof *v);
    if (n == 0 && (row->flags & FIELDS_FILLED))
        report_add(r->report, s, "must not be empty");
    for (size_t i = 0; i < n; i++)
        used += scalar_int(r, row, element(s, i), &v[used]);
    *out = (struct conf_ints){ v, used };
}

static void read_flags(struct reader *r, const struct fields_row *row, const config_setting_t *s,
                       unsigned *out)
{
    if (!is_array(s)) {
        scalar_wrong_type(r, s, "an array of strings [ \"...\" ]");
        return;
    }
    unsigned flags = 0;
    if (length(s) == 0 && (row->flags & FIELDS_FILLED))
        report_add(r->report, s, "must not be empty");
    for (size_t i = 0; i < length(s); i++) {
        int bit = 0;
        if (scalar_name(r, row, element(s, i), &bit))
            flags |= (unsigned)bit;
    }
    *out = flags;
}

/* ---- groups ---- */

static void read_list(struct reader *r, const struct fields_row *row, const config_setting_t *s,
                      struct source_list *out)
{
    if (!is_array(s)) {
        scalar_wrong_type(r, s, "a list of groups ( { ... } )");
        return;
    }
    size_t n = length(s), used = 0, size = row->table->size;
    char *v = memory_array(r->memory, n, size);
    if (n == 0 && (row->flags & FIELDS_FILLED))
        report_add(r->report, s, "must not be empty");
    for (size_t i = 0; i < n; i++) {
        if (config_setting_type(element(s, i)) == CONFIG_TYPE_GROUP)
            reader_group(r, row->table, element(s, i), v + size * used++);
        else
            scalar_wrong_type(r, element(s, i), "a group { }");
    }
    *out = (struct source_list){ v, used };
}

static void read_map(struct reader *r, const struct fields_row *row, const config_setting_t *s,
                     struct source_list *out)
{
    if (config_setting_type(s) != CONFIG_TYPE_GROUP) {
        scalar_wrong_type(r, s, "a group of groups { name = { ... }; }");
        return;
    }
    size_t n = length(s), used = 0, size = row->table->size;
    char *v = memory_array(r->memory, n, size);
    if (n == 0 && (row->flags & FIELDS_FILLED))
        report_add(r->report, s, "must not be empty");
    for (size_t i = 0; i < n; i++) {
        const config_setting_t *entry = element(s, i);
        if (config_setting_type(entry) != CONFIG_TYPE_GROUP) {
            scalar_wrong_type(r, entry, "a group { }");
            continue;
        }
        struct conf_text key = memory_text(r->memory, entry->name, strlen(entry->name));
        reader_group(r, row->table, entry, v + size * used);
        memcpy(v + size * used++, &key, sizeof key);
    }
    *out = (struct source_list){ v, used };
}

static void read_headers(struct reader *r, const struct fields_row *row, const config_setting_t *s,
                         struct source_list *out)
{
    if (config_setting_type(s) != CONFIG_TYPE_GROUP) {
        scalar_wrong_type(r, s, "a group of arrays { name = [ \"...\" ]; }");
        return;
    }
    size_t n = length(s), used = 0;
    struct conf_route_header *v = memory_array(r->memory, n, sizeof *v);
    const struct fields_row values = { .type = FIELDS_TEXTS,
                                       .flags = FIELDS_FILLED | FIELDS_SET |
                                                (row->flags & FIELDS_REFERS),
                                       .check = value_is_printable };
    for (size_t i = 0; i < n; i++) {
        const config_setting_t *header = element(s, i);
        char why[READER_WHY] = "";
        if (row->check && !row->check(header->name, strlen(header->name), why, sizeof why)) {
            report_add(r->report, header, "%s %s",
                       report_quote(r->report, header->name, strlen(header->name)), why);
            continue;
        }
        struct conf_text name = { header->name, strlen(header->name) };
        v[used].name = memory_lower(r->memory, name);
        for (size_t k = 0; k < used; k++)
            if (strcmp(v[k].name.s, v[used].name.s) == 0)
                report_add(r->report, header, "the header is listed twice");
        read_texts(r, &values, header, &v[used++].values);
    }
    *out = (struct source_list){ v, used };
}

static void read_variant(struct reader *r, const struct fields_row *row, const config_setting_t *s,
                         void *object)
{
    const struct fields_table *table = row->variant(object);
    if (!table)
        return;
    if (s && config_setting_type(s) != CONFIG_TYPE_GROUP) {
        scalar_wrong_type(r, s, "a group { }");
        return;
    }
    void *config = memory_alloc(r->memory, table->size);
    reader_group(r, table, s, config);
    *(void **)fields_member(row, object) = config;
}

static void read_row(struct reader *r, const struct fields_row *row, const config_setting_t *s,
                     void *object)
{
    void *member = fields_member(row, object);
    switch (row->type) {
    case FIELDS_BOOL:
        if (config_setting_type(s) == CONFIG_TYPE_BOOL)
            *(bool *)member = config_setting_get_bool(s);
        else
            scalar_wrong_type(r, s, "true or false");
        break;
    case FIELDS_INT:
        scalar_int(r, row, s, member);
        break;
    case FIELDS_SIZE:
        scalar_size(r, row, s, member);
        break;
    case FIELDS_NUMBER:
        scalar_number(r, row, s, member);
        break;
    case FIELDS_TEXT:
        scalar_text(r, row, s, member);
        break;
    case FIELDS_MODE:
        scalar_mode(r, s, member);
        break;
    case FIELDS_ENUM:
        scalar_name(r, row, s, member);
        break;
    case FIELDS_FLAGS:
        read_flags(r, row, s, member);
        break;
    case FIELDS_TEXTS:
        read_texts(r, row, s, member);
        break;
    case FIELDS_INTS:
        read_ints(r, row, s, member);
        break;
    case FIELDS_GROUP:
        if (config_setting_type(s) == CONFIG_TYPE_GROUP)
            reader_group(r, row->table, s, member);
        else
            scalar_wrong_type(r, s, "a group { }");
        break;
    case FIELDS_LIST:
        read_list(r, row, s, member);
        break;
    case FIELDS_MAP:
        read_map(r, row, s, member);
        break;
    case FIELDS_HEADERS:
        read_headers(r, row, s, member);
        break;
    case FIELDS_VARIANT:
        read_variant(r, row, s, object);
        break;
    }
}

static void unknown_keys(struct reader *r, const struct fields_table *table,
                         const config_setting_t *at)
{
    for (size_t i = 0; i < length(at); i++) {
        const config_setting_t *s = element(at, i);
        size_t k = 0;
        while (k < table->rows_n && strcmp(table->rows[k].key, s->name) != 0)
            k++;
        if (k < table->rows_n)
            continue;
        const char **keys = memory_array(r->scratch, table->rows_n, sizeof *keys);
        for (k = 0; k < table->rows_n; k++)
            keys[k] = table->rows[k].key;
        report_add(r->report, s, "unknown key; the nearest known one is \"%s\"",
                   report_nearest(s->name, keys, table->rows_n));
    }
}

static void missing(struct reader *r, const config_setting_t *at, const char *key)
{
    if (at)
        report_key(r->report, at, key, "is missing");
    else
        report_key(r->report, r->around, memory_format(r->scratch, "%s.%s", r->around_key, key).s,
                   "is missing");
}

void reader_group(struct reader *r, const struct fields_table *table, const config_setting_t *at,
                  void *object)
{
    memcpy(object, reader_preset(r, table), table->size);
    if (table->at != SIZE_MAX)
        memcpy((char *)object + table->at, &at, sizeof at);
    if (at)
        unknown_keys(r, table, at);
    for (size_t i = 0; i < table->rows_n; i++) {
        const struct fields_row *row = &table->rows[i];
        const config_setting_t *s = at ? config_setting_get_member(at, row->key) : NULL;
        if (row->type == FIELDS_VARIANT)
            r->around = at, r->around_key = row->key;
        if (s || row->type == FIELDS_VARIANT)
            read_row(r, row, s, object);
        else if (row->flags & FIELDS_REQUIRED)
            missing(r, at, row->key);
    }
}

/* ---- defaults ---- */

static void end_config(void *what)
{
    config_destroy(what);
    free(what);
}

config_t *reader_config(struct reader *r)
{
    config_t *config = malloc(sizeof *config);
    if (!config)
        longjmp(*r->scratch->no_memory, 1);
    config_init(config);
    memory_duty(r->scratch, end_config, config);
    return config;
}

/* What has to be there before any text is read: texts are never NULL. */
static void clear(struct reader *r, const struct fields_row *row, void *object)
{
    if (row->type == FIELDS_TEXT)
        *(struct conf_text *)fields_member(row, object) = (struct conf_text){ "", 0 };
    else if (row->type == FIELDS_GROUP)
        memcpy(fields_member(row, object), reader_preset(r, row->table), row->table->size);
}

static void *make_preset(struct reader *r, const struct fields_table *table)
{
    static char hook[] = "default";
    void *object = memory_alloc(r->memory, table->size);
    struct conf_text text = { "", 0 };
    for (size_t i = 0; i < table->rows_n; i++) {
        clear(r, &table->rows[i], object);
        if (table->rows[i].preset)
            text = memory_format(r->scratch, "%s%s = %s;\n", text.s, table->rows[i].key,
                                 table->rows[i].preset);
    }
    config_t *config = reader_config(r);
    if (config_read_string(config, text.s) != CONFIG_TRUE) {
        report_add(r->report, NULL, "default of %s, line %d: %s", table->title,
                   config_error_line(config), config_error_text(config));
        return object;
    }
    config_setting_t *root = config_root_setting(config);
    config_setting_set_hook(root, hook);
    for (size_t i = 0; i < table->rows_n; i++) {
        const config_setting_t *s = config_setting_get_member(root, table->rows[i].key);
        if (s)
            read_row(r, &table->rows[i], s, object);
    }
    return object;
}

const void *reader_preset(struct reader *r, const struct fields_table *table)
{
    for (const struct reader_preset *preset = r->presets; preset; preset = preset->next)
        if (preset->table == table)
            return preset->object;
    struct reader_preset *made = memory_alloc(r->scratch, sizeof *made);
    made->table = table;
    made->object = make_preset(r, table);
    made->next = r->presets;
    r->presets = made;
    return made->object;
}

/* ---- the environment ---- */

/* A setting of the type that the text has; what fits no type stays a string and is reported as such
 * when it is read. */
static config_setting_t *put_variable(const struct fields_row *row, config_setting_t *root,
                                      const char *text)
{
    char *end;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    bool whole = *text && !*end && errno == 0;
    config_setting_t *s = NULL;
    if (row->type == FIELDS_BOOL && (strcmp(text, "true") == 0 || strcmp(text, "false") == 0)) {
        s = config_setting_add(root, row->key, CONFIG_TYPE_BOOL);
        if (s)
            config_setting_set_bool(s, *text == 't');
    } else if (row->type == FIELDS_INT && whole) {
        s = config_setting_add(root, row->key, CONFIG_TYPE_INT64);
        if (s)
            config_setting_set_int64(s, number);
    } else {
        s = config_setting_add(root, row->key, CONFIG_TYPE_STRING);
        if (s)
            config_setting_set_string(s, text);
    }
    return s;
}

void reader_environment(struct reader *r, const struct fields_table *table, config_setting_t *root)
{
    for (size_t i = 0; i < table->rows_n; i++) {
        const struct fields_row *row = &table->rows[i];
        if (row->type > FIELDS_ENUM)
            continue;
        struct conf_text name = memory_format(r->scratch, "GATEWAY_%s", row->key);
        char *upper = memory_alloc(r->scratch, name.n + 1);
        for (size_t k = 0; k < name.n; k++)
            upper[k] = (char)(name.s[k] >= 'a' && name.s[k] <= 'z' ? name.s[k] - 0x20 : name.s[k]);
        const char *value = getenv(upper);
        if (!value)
            continue;
        (void)config_setting_remove(root, row->key);
        config_setting_t *s = put_variable(row, root, value);
        if (s)
            config_setting_set_hook(s, upper);
    }
}
