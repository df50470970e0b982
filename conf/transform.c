/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changes, cut at their first colon and checked: names are tokens, values hold nothing that ends a
 * line. Fields that frame a message or that the gateway writes itself cannot be changed: two of a
 * kind would let two readers see two messages.
 */
#include "conf/transform.h"
#include "conf/load.h"
#include "conf/secret.h"
#include "conf/value.h"
#include <jansson.h>
#include <string.h>
#include <strings.h>

enum { TRANSFORM_WHY = 256 };

static const char *const kinds[CONF_CHANGE_KINDS] = { "remove", "rename", "replace",
                                                      "add",    "append", "allow" };
static const char *const types[] = {
    [CONF_JSON_STRING] = "string", [CONF_JSON_NUMBER] = "number", [CONF_JSON_BOOLEAN] = "boolean"
};

/* One list: a part in one group. */
struct list {
    const struct transform_part *part;
    enum conf_change_kind kind;
    enum transform_of of;
    struct conf_texts texts;
};

static const char *const framing[] = { "connection", "keep-alive",        "proxy-connection",
                                       "te",         "trailer",           "content-length",
                                       "upgrade",    "transfer-encoding", NULL };
static const char *const written[] = { "expect",
                                       "via",
                                       "x-forwarded-for",
                                       "x-forwarded-host",
                                       "x-forwarded-path",
                                       "x-forwarded-port",
                                       "x-forwarded-proto",
                                       "x-forwarded-prefix",
                                       "x-real-ip",
                                       NULL };

static bool listed(const char *const *names, const char *name)
{
    while (*names && strcasecmp(*names, name) != 0)
        names++;
    return *names != NULL;
}

static bool is_field(struct conf_text name, enum transform_of of, bool host, char *why)
{
    if (!value_is_token(name.s, name.n, why, TRANSFORM_WHY))
        return false;
    bool request = of == TRANSFORM_REQUEST_FIELDS;
    if (!listed(framing, name.s) && !(request && listed(written, name.s)) &&
        !(request && !host && strcasecmp(name.s, "host") == 0))
        return true;
    snprintf(why, TRANSFORM_WHY, "is the gateway's own business%s",
             strcasecmp(name.s, "host") == 0 ? ", but for replace" : "");
    return false;
}

static bool is_body(enum transform_of of)
{
    return of == TRANSFORM_REQUEST_BODY || of == TRANSFORM_RESPONSE_BODY;
}

static bool is_named(struct conf_text name, enum transform_of of, bool host, char *why)
{
    if (of == TRANSFORM_ARGUMENTS || is_body(of))
        return name.n > 0;
    return is_field(name, of, host, why);
}

bool transform_is_field(struct conf_text name, char *why, size_t size)
{
    char text[TRANSFORM_WHY];
    if (!value_is_token(name.s, name.n, text, sizeof text))
        snprintf(why, size, "names a field that %s", text);
    else if (!is_field(name, TRANSFORM_REQUEST_FIELDS, false, text))
        snprintf(why, size, "names a field that is the gateway's own business");
    else
        return true;
    return false;
}

static const config_setting_t *group_of(const struct list *list)
{
    const config_setting_t *config = list->part->config;
    const config_setting_t *group =
        config ? config_setting_get_member(config, kinds[list->kind]) : NULL;
    return group ? group : config;
}

/* A part of the i-th text for an error; where that text names a secret, as the file has it, which
 * is not what it stands for. Lists of responses alone are read so (TRANSFORM_ROW_REFERRING). */
static struct conf_text shown(const struct list *list, size_t i, struct conf_text part)
{
    struct conf_text text = list->texts.v[i], as_written = text;
    bool response = list->of == TRANSFORM_RESPONSE_FIELDS || list->of == TRANSFORM_RESPONSE_BODY;
    if (response && list->kind != CONF_CHANGE_ALLOW)
        as_written = secret_written(text);
    return as_written.s == text.s ? part : as_written;
}

/* Of a part of the i-th text. */
static void report(struct load *load, const struct list *list, size_t i, struct conf_text part,
                   const char *why)
{
    struct conf_text text = shown(list, i, part);
    report_key(&load->report, group_of(list), list->part->key, "%s %s",
               report_quote(&load->report, text.s, text.n), why);
}

/* Cuts at the first colon; spaces behind it are no part of a value. */
static bool cut(struct load *load, struct conf_text text, struct conf_change *change)
{
    const char *colon = strchr(text.s, ':');
    size_t n = colon ? (size_t)(colon - text.s) : text.n;
    change->name = memory_text(&load->memory, text.s, n);
    while (colon && colon[1] == ' ')
        colon++;
    if (colon)
        change->to = memory_text(&load->memory, colon + 1, strlen(colon + 1));
    else
        change->to = (struct conf_text){ "", 0 };
    return colon != NULL;
}

/* Of responses nothing is filled in; names of fields are tokens. */
static bool is_template(enum transform_of of, bool rename)
{
    return of == TRANSFORM_ARGUMENTS || of == TRANSFORM_REQUEST_BODY ||
           (of == TRANSFORM_REQUEST_FIELDS && !rename);
}

static void read_one(struct load *load, const struct list *list, size_t i,
                     struct conf_change *change)
{
    struct conf_text text = list->texts.v[i];
    char why[TRANSFORM_WHY] = "has no name";
    bool named = list->kind == CONF_CHANGE_REMOVE || list->kind == CONF_CHANGE_ALLOW;
    bool rename = list->kind == CONF_CHANGE_RENAME, replace = list->kind == CONF_CHANGE_REPLACE;
    bool has_colon = cut(load, text, change);
    if (!is_named(change->name, list->of, replace, why)) {
        report(load, list, i, text, why);
    } else if (named && has_colon) {
        report(load, list, i, text, "is not a name");
    } else if (!named && !has_colon) {
        report(load, list, i, text, rename ? "is not \"old:new\"" : "is not \"name:value\"");
    } else if (rename && !is_named(change->to, list->of, false, why)) {
        report(load, list, i, is_body(list->of) ? text : change->to, why);
    } else if (!named && change->to.n &&
               !value_is_printable(change->to.s, change->to.n, why, sizeof why)) {
        report(load, list, i, text, why);
    } else if (!named && is_template(list->of, rename)) {
        change->value = template_read(&load->memory, change->to, why, sizeof why);
        if (!change->value)
            report(load, list, i, text, why);
    }
}

static struct list list_of(const struct transform_part *part, enum transform_of of,
                           const struct transform_lists lists[CONF_CHANGE_KINDS], int kind)
{
    const void *texts = (const char *)&lists[kind] + part->member;
    return (struct list){ part, (enum conf_change_kind)kind, of,
                          *(const struct conf_texts *)texts };
}

void transform_read(struct load *load, const struct transform_part *part, enum transform_of of,
                    const struct transform_lists lists[CONF_CHANGE_KINDS],
                    struct conf_transform *out)
{
    for (int kind = 0; kind < CONF_CHANGE_KINDS; kind++) {
        struct list list = list_of(part, of, lists, kind);
        struct conf_change *v = memory_array(&load->memory, list.texts.n, sizeof *v);
        for (size_t i = 0; i < list.texts.n; i++)
            read_one(load, &list, i, &v[i]);
        out->kinds[kind] = (struct conf_changes){ v, list.texts.n };
    }
}

bool transform_is_by_field(const struct conf_transform *t, const char *name)
{
    for (int kind = 0; kind < CONF_CHANGE_KINDS; kind++)
        for (size_t i = 0; i < t->kinds[kind].n; i++) {
            const struct conf_change *change = &t->kinds[kind].v[i];
            if (change->value && change->value->by_field &&
                (!name || strcasecmp(change->name.s, name) == 0))
                return true;
        }
    return false;
}

/* Not the same for all requests. */
static bool is_filled_in(const struct conf_template *value)
{
    for (size_t i = 0; value && i < value->n; i++)
        if (value->pieces[i].kind != CONF_PIECE_TEXT)
            return true;
    return false;
}

bool transform_moves_to(const struct conf_transform *t, const char *name)
{
    const struct conf_changes *renames = &t->kinds[CONF_CHANGE_RENAME];

    for (size_t i = 0; i < renames->n; i++)
        if (strcasecmp(renames->v[i].to.s, name) == 0)
            return true;
    for (int kind = 0; kind < CONF_CHANGE_KINDS; kind++)
        for (size_t i = 0; i < t->kinds[kind].n; i++) {
            const struct conf_change *change = &t->kinds[kind].v[i];
            if (is_filled_in(change->value) && strcasecmp(change->name.s, name) == 0)
                return true;
        }
    return false;
}

/* --- bodies --------------------------------------------------------------------------------- */

/* -1: there is no such type. */
static int type_of(const char *name)
{
    for (int i = 0; i < (int)(sizeof types / sizeof *types); i++)
        if (strcmp(types[i], name) == 0)
            return i;
    return -1;
}

bool transform_is_type(const char *s, size_t n, char *why, size_t size)
{
    (void)n;
    snprintf(why, size, "is not one of string, number, boolean");
    return type_of(s) >= 0;
}

static bool is_number(struct conf_text text)
{
    json_t *json = json_loadb(text.s, text.n, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, NULL);
    bool is = json_is_number(json) && strchr(" \t\r\n", text.s[text.n - 1]) == NULL;
    json_decref(json);
    return is;
}

/* Nothing to be filled in: what it will be is known now. */
static bool is_plain(const struct conf_change *change)
{
    return !change->value ||
           (change->value->n == 1 && change->value->pieces[0].kind == CONF_PIECE_TEXT);
}

static void read_types(struct load *load, const struct list *list, struct conf_texts names,
                       const struct conf_changes *changes)
{
    if (names.n > changes->n)
        report_key(&load->report, group_of(list), "json_types", "has more elements than %s",
                   list->part->key);
    for (size_t i = 0; i < names.n && i < changes->n; i++) {
        struct conf_change *change = (struct conf_change *)&changes->v[i];
        int type = type_of(names.v[i].s);
        change->type = type < 0 ? CONF_JSON_STRING : (enum conf_json_type)type;
        if (!is_plain(change))
            continue;
        if (type == CONF_JSON_NUMBER && !is_number(change->to))
            report(load, list, i, change->to, "is not a number");
        if (type == CONF_JSON_BOOLEAN && strcmp(change->to.s, "true") != 0 &&
            strcmp(change->to.s, "false") != 0)
            report(load, list, i, change->to, "is neither true nor false");
    }
}

/* "a..b", ".a": no object has such members; "a[0]": the first element is "a[1]". */
static void check_path(struct load *load, const struct list *list, size_t i,
                       const struct conf_change *change)
{
    const char *name = change->name.s;
    if (strstr(name, "[0") || strstr(name, "[]"))
        report(load, list, i, change->name,
               "has a number in brackets that is none: 1 is the first");
    else if (list->kind == CONF_CHANGE_RENAME && change->name.n > 2 &&
             name[change->name.n - 1] == ']')
        report(load, list, i, change->name, "is an element of an array, which has no name");
    if (*name == '.' || strstr(name, "..") || (change->name.n && name[change->name.n - 1] == '.'))
        report(load, list, i, change->name, "has a part without a name between its dots");
}

void transform_read_body(struct load *load, const struct transform_part *part, enum transform_of of,
                         const struct transform_lists lists[CONF_CHANGE_KINDS],
                         struct conf_body_transform *out)
{
    transform_read(load, part, of, lists, &out->changes);
    for (int kind = 0; kind < CONF_CHANGE_KINDS; kind++) {
        const struct conf_changes *changes = &out->changes.kinds[kind];
        struct list list = list_of(part, of, lists, kind);
        read_types(load, &list, lists[kind].json_types, changes);
        for (size_t i = 0; !out->dots_in_keys && i < changes->n; i++)
            check_path(load, &list, i, &changes->v[i]);
        out->n += changes->n;
    }
}
