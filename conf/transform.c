/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changes, cut at their first colon and checked: names are tokens, values hold nothing that ends a
 * line. Fields that frame a message or that the gateway writes itself cannot be changed: two of a
 * kind would let two readers see two messages.
 */
#include "conf/transform.h"
#include "conf/load.h"
#include "conf/value.h"
#include <string.h>
#include <strings.h>

enum { TRANSFORM_WHY = 256 };

const char *const transform_kinds[CONF_CHANGE_KINDS] = { "remove", "rename", "replace", "add",
                                                         "append" };

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

static bool is_named(struct conf_text name, enum transform_of of, bool host, char *why)
{
    if (of == TRANSFORM_ARGUMENTS)
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

static void report(struct load *load, const struct transform_list *list, struct conf_text text,
                   const char *why)
{
    const config_setting_t *group =
        list->config ? config_setting_get_member(list->config, transform_kinds[list->kind]) : NULL;
    report_key(&load->report, group ? group : list->config, list->key, "%s %s",
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

static void read_one(struct load *load, const struct transform_list *list, enum transform_of of,
                     struct conf_text text, struct conf_change *change)
{
    char why[TRANSFORM_WHY] = "has no name";
    bool remove = list->kind == CONF_CHANGE_REMOVE, rename = list->kind == CONF_CHANGE_RENAME;
    bool has_colon = cut(load, text, change), replace = list->kind == CONF_CHANGE_REPLACE;
    if (!is_named(change->name, of, replace, why)) {
        report(load, list, text, why);
    } else if (remove && has_colon) {
        report(load, list, text, "is not a name");
    } else if (!remove && !has_colon) {
        report(load, list, text, rename ? "is not \"old:new\"" : "is not \"name:value\"");
    } else if (rename && !is_named(change->to, of, false, why)) {
        report(load, list, change->to, why);
    } else if (!remove && change->to.n &&
               !value_is_printable(change->to.s, change->to.n, why, sizeof why)) {
        report(load, list, text, why);
    } else if (!remove && !rename && of != TRANSFORM_RESPONSE_FIELDS) {
        change->value = template_read(&load->memory, change->to, why, sizeof why);
        if (!change->value)
            report(load, list, text, why);
    }
}

void transform_read(struct load *load, const struct transform_list *list, enum transform_of of,
                    struct conf_changes *out)
{
    struct conf_change *v = memory_array(&load->memory, list->texts.n, sizeof *v);
    for (size_t i = 0; i < list->texts.n; i++)
        read_one(load, list, of, list->texts.v[i], &v[i]);
    *out = (struct conf_changes){ v, list->texts.n };
}

void transform_refuse(struct load *load, const struct transform_list *list)
{
    if (list->texts.n)
        report(load, list, list->texts.v[0],
               "cannot be changed: it is in the body, which is streamed, not read");
}
