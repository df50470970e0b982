/* SPDX-License-Identifier: Apache-2.0 */
/* gatewayctl: the configured entities with their state, and all counters. */
#include "master/ctl_client.h"
#include "master/ctl_command.h"
#include "master/ctl_table.h"
#include <stdlib.h>
#include <string.h>

#define LENGTH(array) (sizeof(array) / sizeof(array)[0])

enum ctl_exit ctl_entity_routes(struct ctl *ctl)
{
    static const struct ctl_table_column columns[] = {
        { "NAME", "name", CTL_TABLE_TEXT },           { "SERVICE", "service", CTL_TABLE_TEXT },
        { "PROTOCOLS", "protocols", CTL_TABLE_TEXT }, { "METHODS", "methods", CTL_TABLE_TEXT },
        { "HOSTS", "hosts", CTL_TABLE_TEXT },         { "PATHS", "paths", CTL_TABLE_TEXT },
        { "PLUGINS", "plugins", CTL_TABLE_TEXT },     { "REQUESTS", "requests", CTL_TABLE_NUMBER },
    };
    json_t *value;
    enum ctl_exit result = ctl_client_get(ctl, "/routes", &value);

    if (result == CTL_OK && !ctl->json)
        ctl_table_print(ctl->out, columns, LENGTH(columns), json_object_get(value, "routes"));
    json_decref(value);
    return result;
}

static const char *text_of(const json_t *object, const char *field)
{
    const char *text = json_string_value(json_object_get(object, field));

    return text != NULL ? text : "";
}

enum ctl_exit ctl_entity_services(struct ctl *ctl)
{
    static const struct ctl_table_column columns[] = {
        { "NAME", "name", CTL_TABLE_TEXT },         { "URL", "url", CTL_TABLE_TEXT },
        { "UPSTREAM", "upstream", CTL_TABLE_TEXT }, { "RETRIES", "retries", CTL_TABLE_NUMBER },
        { "ROUTES", "routes", CTL_TABLE_TEXT },
    };
    json_t *value, *service;
    enum ctl_exit result = ctl_client_get(ctl, "/services", &value);
    size_t i;

    json_array_foreach(json_object_get(value, "services"), i, service) json_object_set_new(
        service, "url",
        json_sprintf("%s://%s:%d%s", text_of(service, "protocol"), text_of(service, "host"),
                     (int)json_integer_value(json_object_get(service, "port")),
                     text_of(service, "path")));
    if (result == CTL_OK && !ctl->json)
        ctl_table_print(ctl->out, columns, LENGTH(columns), json_object_get(value, "services"));
    json_decref(value);
    return result;
}

/* One row a target, with its upstream's name in it. */
static json_t *targets_of(const json_t *upstreams)
{
    json_t *rows = json_array(), *upstream, *target;
    size_t i, k;

    json_array_foreach(upstreams, i, upstream)
    {
        json_array_foreach(json_object_get(upstream, "targets"), k, target)
        {
            json_object_set(target, "upstream", json_object_get(upstream, "name"));
            json_object_set(target, "algorithm", json_object_get(upstream, "algorithm"));
            json_array_append(rows, target);
        }
    }
    return rows;
}

enum ctl_exit ctl_entity_upstreams(struct ctl *ctl)
{
    static const struct ctl_table_column columns[] = {
        { "UPSTREAM", "upstream", CTL_TABLE_TEXT },
        { "ALGORITHM", "algorithm", CTL_TABLE_TEXT },
        { "TARGET", "address", CTL_TABLE_TEXT },
        { "WEIGHT", "weight", CTL_TABLE_NUMBER },
        { "STATE", "state", CTL_TABLE_TEXT },
        { "IN FLIGHT", "in_flight", CTL_TABLE_NUMBER },
        { "REQUESTS", "requests", CTL_TABLE_NUMBER },
        { "FAILURES", "failures", CTL_TABLE_NUMBER },
        { "CONNECTS", "connects", CTL_TABLE_NUMBER },
    };
    json_t *value;
    enum ctl_exit result = ctl_client_get(ctl, "/upstreams", &value);

    if (result == CTL_OK && !ctl->json) {
        json_t *rows = targets_of(json_object_get(value, "upstreams"));
        ctl_table_print(ctl->out, columns, LENGTH(columns), rows);
        json_decref(rows);
    }
    json_decref(value);
    return result;
}

enum ctl_exit ctl_entity_stat(struct ctl *ctl)
{
    json_t *value, *number;
    enum ctl_exit result = ctl_client_get(ctl, "/stat", &value);
    const char *name;
    int width = 0;

    if (result != CTL_OK || ctl->json) {
        json_decref(value);
        return result;
    }
    json_object_foreach(value, name, number) width =
        (int)strlen(name) > width ? (int)strlen(name) : width;
    json_object_foreach(value, name, number)
    {
        char *cell = ctl_table_cell(number, CTL_TABLE_NUMBER);
        fprintf(ctl->out, "%-*s  %s\n", width, name, cell != NULL ? cell : "");
        free(cell);
    }
    json_decref(value);
    return CTL_OK;
}

enum ctl_exit ctl_entity_metrics(struct ctl *ctl)
{
    const struct ctl_client_call call = { .method = "GET",
                                          .path = "/metrics",
                                          .patience = CTL_CLIENT_PATIENCE };
    struct ctl_client_answer answer;
    enum ctl_exit result = ctl_client_send(ctl, &call, &answer);

    if (result == CTL_OK && answer.status == 200) {
        fwrite(answer.body, 1, answer.body_n, ctl->out);
    } else if (result == CTL_OK) {
        fprintf(ctl->err, "gatewayctl: the gateway answered %d\n", answer.status);
        result = CTL_REFUSED;
    }
    ctl_client_free(&answer);
    return result;
}
