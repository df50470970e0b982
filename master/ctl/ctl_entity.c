/* SPDX-License-Identifier: Apache-2.0 */
/* gatewayctl: the configured entities with their state, and all counters. */
#include "master/ctl/ctl_client.h"
#include "master/ctl/ctl_command.h"
#include "master/ctl/ctl_table.h"
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

/* Where it leads: "blue", or while it is being shifted "blue, 10% green". */
static void add_way(json_t *service)
{
    const json_t *shift = json_object_get(service, "shift");
    double percent = json_number_value(json_object_get(shift, "percent"));

    if (percent > 0)
        json_object_set_new(service, "way",
                            json_sprintf("%s, %.4g%% %s", text_of(service, "upstream"), percent,
                                         text_of(shift, "to")));
    else
        json_object_set(service, "way", json_object_get(service, "upstream"));
}

/* The URL is shown as it was configured, in one piece. */
static void add_url(json_t *service)
{
    int port = (int)json_integer_value(json_object_get(service, "port"));

    json_object_set_new(service, "url",
                        json_sprintf("%s://%s:%d%s", text_of(service, "protocol"),
                                     text_of(service, "host"), port, text_of(service, "path")));
}

enum ctl_exit ctl_entity_services(struct ctl *ctl)
{
    static const struct ctl_table_column columns[] = {
        { "NAME", "name", CTL_TABLE_TEXT },     { "URL", "url", CTL_TABLE_TEXT },
        { "UPSTREAM", "way", CTL_TABLE_TEXT },  { "RETRIES", "retries", CTL_TABLE_NUMBER },
        { "ROUTES", "routes", CTL_TABLE_TEXT },
    };
    json_t *value;
    enum ctl_exit result = ctl_client_get(ctl, "/services", &value);
    const json_t *services = json_object_get(value, "services");

    for (size_t i = 0; i < json_array_size(services); i++) {
        add_url(json_array_get(services, i));
        add_way(json_array_get(services, i));
    }
    if (result == CTL_OK && !ctl->json)
        ctl_table_print(ctl->out, columns, LENGTH(columns), services);
    json_decref(value);
    return result;
}

static void add_targets(json_t *rows, const json_t *upstream, const char *list)
{
    const json_t *targets = json_object_get(upstream, list);

    for (size_t i = 0; i < json_array_size(targets); i++) {
        json_t *target = json_array_get(targets, i);
        const char *error = json_string_value(json_object_get(target, "error"));
        json_object_set(target, "upstream", json_object_get(upstream, "name"));
        json_object_set(target, "algorithm", json_object_get(upstream, "algorithm"));
        if (error != NULL) { /* it has no address */
            json_object_set(target, "address", json_object_get(target, "target"));
            json_object_set_new(target, "state", json_string("unresolved"));
            json_object_set_new(target, "cause", json_string(error));
        }
        json_array_append(rows, target);
    }
}

/* One row a target, with its upstream's name in it. */
static json_t *targets_of(const json_t *upstreams)
{
    json_t *rows = json_array();

    for (size_t i = 0; i < json_array_size(upstreams); i++) {
        add_targets(rows, json_array_get(upstreams, i), "targets");
        add_targets(rows, json_array_get(upstreams, i), "unresolved");
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
        { "CAUSE", "cause", CTL_TABLE_TEXT },
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

static int longest_name(json_t *object)
{
    size_t longest = 0;

    for (void *at = json_object_iter(object); at != NULL; at = json_object_iter_next(object, at))
        if (strlen(json_object_iter_key(at)) > longest)
            longest = strlen(json_object_iter_key(at));
    return (int)longest;
}

static void show_counters(struct ctl *ctl, json_t *object)
{
    int width = longest_name(object);

    for (void *at = json_object_iter(object); at != NULL; at = json_object_iter_next(object, at)) {
        char *cell = ctl_table_cell(json_object_iter_value(at), CTL_TABLE_NUMBER);
        fprintf(ctl->out, "%-*s  %s\n", width, json_object_iter_key(at), cell != NULL ? cell : "");
        free(cell);
    }
}

enum ctl_exit ctl_entity_stat(struct ctl *ctl)
{
    json_t *value;
    enum ctl_exit result = ctl_client_get(ctl, "/stat", &value);

    if (result == CTL_OK && !ctl->json)
        show_counters(ctl, value);
    json_decref(value);
    return result;
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
