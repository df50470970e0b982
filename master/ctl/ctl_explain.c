/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gatewayctl routes -m: what a request would meet. The gateway is told the request and says which
 * route takes it, what would run on it, and who would answer first; nothing is sent anywhere.
 */
#include "master/ctl/ctl_client.h"
#include "master/ctl/ctl_table.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define LENGTH(array) (sizeof(array) / sizeof(array)[0])

/* "GET http://host/path", or the URL alone. NULL: no memory. */
static json_t *question(const struct ctl *ctl)
{
    const char *space = strchr(ctl->match, ' ');
    json_t *o = json_object(), *fields = json_array();

    if (space != NULL)
        json_object_set_new(o, "method", json_stringn(ctl->match, (size_t)(space - ctl->match)));
    json_object_set_new(o, "url", json_string(space != NULL ? space + 1 : ctl->match));
    if (ctl->from != NULL)
        json_object_set_new(o, "client_ip", json_string(ctl->from));
    for (size_t i = 0; ctl->fields[i] != NULL; i++)
        json_array_append_new(fields, json_string(ctl->fields[i]));
    json_object_set_new(o, "headers", fields);
    return o;
}

static const char *text_of(const json_t *o, const char *field)
{
    const char *text = json_string_value(json_object_get(o, field));

    return text != NULL ? text : "";
}

/* {"route": "r"} as "route r". */
static json_t *scope_text(json_t *scope)
{
    char text[512] = "";
    size_t n = 0;

    for (void *at = json_object_iter(scope); at != NULL && n < sizeof text;
         at = json_object_iter_next(scope, at)) {
        const char *value = json_string_value(json_object_iter_value(at));
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%s %s", n > 0 ? ", " : "",
                              json_object_iter_key(at), value != NULL ? value : "");
    }
    return json_string(n > 0 ? text : "every request");
}

static void add_verdict(json_t *plugin)
{
    const char *verdict = text_of(plugin, "verdict"), *effect = text_of(plugin, "effect");
    const json_t *status = json_object_get(plugin, "status");
    char text[512];

    if (status != NULL)
        snprintf(text, sizeof text, "%s %d", verdict, (int)json_integer_value(status));
    else
        snprintf(text, sizeof text, "%s%s%s", verdict, *effect ? ": " : "", effect);
    json_object_set_new(plugin, "says", json_string(text));
}

static void show(struct ctl *ctl, const json_t *value)
{
    static const struct ctl_table_column facts[] = {
        { "route", "route", CTL_TABLE_TEXT },     { "matched", "matched", CTL_TABLE_TEXT },
        { "service", "service", CTL_TABLE_TEXT }, { "consumer", "consumer", CTL_TABLE_TEXT },
        { "status", "status", CTL_TABLE_TEXT },   { "body", "body", CTL_TABLE_TEXT },
        { "cause", "cause", CTL_TABLE_TEXT },
    };
    static const struct ctl_table_column columns[] = {
        { "PLUGIN", "name", CTL_TABLE_TEXT },  { "PRIORITY", "priority", CTL_TABLE_NUMBER },
        { "WHERE", "where", CTL_TABLE_TEXT },  { "HOLDS FOR", "scope", CTL_TABLE_TEXT },
        { "VERDICT", "says", CTL_TABLE_TEXT },
    };
    json_t *plugins = json_object_get(value, "plugins");

    ctl_table_facts(ctl->out, facts, LENGTH(facts), value);
    for (size_t i = 0; i < json_array_size(plugins); i++) {
        json_t *plugin = json_array_get(plugins, i);
        json_object_set_new(plugin, "scope", scope_text(json_object_get(plugin, "scope")));
        add_verdict(plugin);
    }
    if (json_array_size(plugins) > 0) {
        fputc('\n', ctl->out);
        ctl_table_print(ctl->out, columns, LENGTH(columns), plugins);
    }
}

static enum ctl_exit explain(struct ctl *ctl)
{
    json_t *asked = question(ctl), *value = NULL;
    struct ctl_client_call call = { .method = "POST",
                                    .path = "/routes/explain",
                                    .body = json_dumps(asked, JSON_COMPACT),
                                    .patience = CTL_CLIENT_PATIENCE };
    enum ctl_exit result = ctl_client_ask(ctl, &call, &value);

    if (result == CTL_OK && !ctl->json)
        show(ctl, value);
    json_decref(value);
    json_decref(asked);
    free((char *)(uintptr_t)call.body);
    return result;
}

enum ctl_exit ctl_explain(struct ctl *ctl)
{
    if (ctl->match != NULL)
        return explain(ctl);
    if (ctl->fields[0] == NULL && ctl->from == NULL)
        return ctl_entity_routes(ctl);
    fputs("gatewayctl: -m is missing: whose field or address is it?\n", ctl->err);
    return CTL_USAGE;
}
