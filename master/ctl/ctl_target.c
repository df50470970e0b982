/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gatewayctl: targets and services changed by hand, beside the file, and what was changed so. A
 * setting is a word: weight=50, max_connections=10, drain, down, up, or NAME= for what the file
 * says.
 */
#include "master/ctl/ctl_client.h"
#include "master/ctl/ctl_table.h"
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LENGTH(array) (sizeof(array) / sizeof(array)[0])

enum { PATH_MAX_BYTES = 4096 };

/* "/upstreams/U/targets/T", encoded; `target` NULL: without it. */
static bool path_of(struct ctl *ctl, const char *upstream, const char *target, char *out)
{
    char u[PATH_MAX_BYTES / 4], t[PATH_MAX_BYTES / 4] = "";

    if (!ctl_client_encode(upstream, u, sizeof u) ||
        (target != NULL && !ctl_client_encode(target, t, sizeof t))) {
        fputs("gatewayctl: a name is too long\n", ctl->err);
        return false;
    }
    snprintf(out, PATH_MAX_BYTES, "/upstreams/%s/targets%s%s", u, target != NULL ? "/" : "", t);
    return true;
}

/* --- looking -------------------------------------------------------------------------------- */

/* "down", "drain", "deleted", or what the name or the first address says. */
static const char *state_of(const json_t *target)
{
    static const char *const flags[] = { "deleted", "down", "drain" };
    const json_t *addresses = json_object_get(target, "addresses");
    const char *state;

    for (size_t i = 0; i < LENGTH(flags); i++)
        if (json_is_true(json_object_get(target, flags[i])))
            return flags[i];
    if (json_array_size(addresses) == 0)
        state = json_string_value(json_object_get(json_object_get(target, "resolution"), "state"));
    else
        state = json_string_value(json_object_get(json_array_get(addresses, 0), "state"));
    return state != NULL ? state : "-";
}

static double sum_of(const json_t *addresses, const char *field)
{
    double sum = 0;

    for (size_t i = 0; i < json_array_size(addresses); i++)
        sum += json_number_value(json_object_get(json_array_get(addresses, i), field));
    return sum;
}

static void add_columns(json_t *target)
{
    json_t *addresses = json_object_get(target, "addresses"), *texts = json_array();

    for (size_t i = 0; i < json_array_size(addresses); i++)
        json_array_append(texts, json_object_get(json_array_get(addresses, i), "address"));
    json_object_set_new(target, "state", json_string(state_of(target)));
    json_object_set_new(target, "in_flight",
                        json_integer((json_int_t)sum_of(addresses, "in_flight")));
    json_object_set_new(target, "requests",
                        json_integer((json_int_t)sum_of(addresses, "requests")));
    json_object_set_new(target, "places", texts);
}

enum ctl_exit ctl_target_list(struct ctl *ctl)
{
    static const struct ctl_table_column columns[] = {
        { "TARGET", "target", CTL_TABLE_TEXT },
        { "WEIGHT", "weight", CTL_TABLE_NUMBER },
        { "FILE", "file.weight", CTL_TABLE_NUMBER },
        { "LIMIT", "max_connections", CTL_TABLE_NUMBER },
        { "STATE", "state", CTL_TABLE_TEXT },
        { "IN FLIGHT", "in_flight", CTL_TABLE_NUMBER },
        { "REQUESTS", "requests", CTL_TABLE_NUMBER },
        { "ADDRESSES", "places", CTL_TABLE_TEXT },
    };
    char path[PATH_MAX_BYTES];
    json_t *value = NULL;

    if (!path_of(ctl, ctl->argv[0], NULL, path))
        return CTL_USAGE;
    enum ctl_exit result = ctl_client_get(ctl, path, &value);
    if (result == CTL_OK && !ctl->json) {
        json_t *rows = json_object_get(value, "data");
        for (size_t i = 0; i < json_array_size(rows); i++)
            add_columns(json_array_get(rows, i));
        ctl_table_print(ctl->out, columns, LENGTH(columns), rows);
    }
    json_decref(value);
    return result;
}

/* --- changing ------------------------------------------------------------------------------- */

/* False: the word is no setting. */
static bool take_number(json_t *body, const char *word)
{
    static const char *const names[] = { "weight", "max_connections" };
    char *end;

    for (size_t i = 0; i < LENGTH(names); i++) {
        size_t n = strlen(names[i]);
        if (strncmp(word, names[i], n) != 0 || word[n] != '=')
            continue;
        const char *text = word + n + 1;
        long value = strtol(text, &end, 10);
        if (*end != '\0' || (end == text && *text != '\0'))
            return false;
        json_object_set_new(body, names[i], *text != '\0' ? json_integer(value) : json_null());
        return true;
    }
    return false;
}

static bool take_setting(json_t *body, const char *word)
{
    if (strcmp(word, "drain") == 0 || strcmp(word, "down") == 0) {
        json_object_set_new(body, word, json_true());
        return true;
    }
    if (strcmp(word, "up") == 0) {
        json_object_set_new(body, "drain", json_false());
        json_object_set_new(body, "down", json_false());
        return true;
    }
    return take_number(body, word);
}

static json_t *settings_of(struct ctl *ctl, int from)
{
    json_t *body = json_object();

    if (ctl->span != NULL)
        json_object_set_new(body, "for", json_string(ctl->span));
    for (int i = from; i < ctl->argc; i++) {
        if (take_setting(body, ctl->argv[i]))
            continue;
        fprintf(ctl->err,
                "gatewayctl: \"%s\" is not one of weight=N, max_connections=N, drain, down, up\n",
                ctl->argv[i]);
        json_decref(body);
        return NULL;
    }
    return body;
}

/* Sends `body`, which it takes over. */
static enum ctl_exit send_change(struct ctl *ctl, const char *method, const char *path,
                                 json_t *body)
{
    char *text = body != NULL ? json_dumps(body, JSON_COMPACT) : NULL;
    struct ctl_client_call call = {
        .method = method, .path = path, .body = text, .patience = CTL_CLIENT_PATIENCE
    };
    json_t *value = NULL;
    enum ctl_exit result = ctl_client_ask(ctl, &call, &value);

    json_decref(value);
    json_decref(body);
    free(text);
    return result;
}

enum ctl_exit ctl_target_set(struct ctl *ctl)
{
    char path[PATH_MAX_BYTES];
    json_t *body = settings_of(ctl, 2);

    if (body == NULL || !path_of(ctl, ctl->argv[0], ctl->argv[1], path)) {
        json_decref(body);
        return CTL_USAGE;
    }
    return send_change(ctl, "PATCH", path, body);
}

enum ctl_exit ctl_target_add(struct ctl *ctl)
{
    char path[PATH_MAX_BYTES];
    json_t *body = settings_of(ctl, 2);

    if (body == NULL || !path_of(ctl, ctl->argv[0], NULL, path)) {
        json_decref(body);
        return CTL_USAGE;
    }
    json_object_set_new(body, "target", json_string(ctl->argv[1]));
    return send_change(ctl, "POST", path, body);
}

enum ctl_exit ctl_target_delete(struct ctl *ctl)
{
    char path[PATH_MAX_BYTES];

    if (!path_of(ctl, ctl->argv[0], ctl->argv[1], path))
        return CTL_USAGE;
    return send_change(ctl, "DELETE", path, NULL);
}

/* host=UPSTREAM; host= is what the file says. */
enum ctl_exit ctl_target_service(struct ctl *ctl)
{
    char name[PATH_MAX_BYTES / 4], path[PATH_MAX_BYTES];
    const char *word = ctl->argv[1];
    json_t *body = json_object();

    if (strncmp(word, "host=", 5) != 0 || !ctl_client_encode(ctl->argv[0], name, sizeof name)) {
        fprintf(ctl->err, "gatewayctl: \"%s\" is not host=UPSTREAM\n", word);
        json_decref(body);
        return CTL_USAGE;
    }
    snprintf(path, sizeof path, "/services/%s", name);
    json_object_set_new(body, "host", word[5] != '\0' ? json_string(word + 5) : json_null());
    if (ctl->span != NULL)
        json_object_set_new(body, "for", json_string(ctl->span));
    return send_change(ctl, "PATCH", path, body);
}

/* --- overrides ------------------------------------------------------------------------------ */

/* The value; of a shift, how far it is, or why it was undone. */
static void add_shown(json_t *row)
{
    char *shown = json_dumps(json_object_get(row, "value"), JSON_ENCODE_ANY);
    const json_t *shift = json_object_get(row, "shift");
    const char *why = json_string_value(json_object_get(shift, "why"));

    if (shown != NULL && shift != NULL)
        json_object_set_new(row, "shown",
                            json_sprintf("%s %.4g %%, %s%s%s", shown,
                                         json_number_value(json_object_get(shift, "percent")),
                                         json_string_value(json_object_get(shift, "state")),
                                         why != NULL ? ": " : "", why != NULL ? why : ""));
    else
        json_object_set_new(row, "shown", json_string(shown != NULL ? shown : ""));
    free(shown);
}

enum ctl_exit ctl_target_overrides(struct ctl *ctl)
{
    static const struct ctl_table_column columns[] = {
        { "UPSTREAM", "upstream", CTL_TABLE_TEXT },
        { "SERVICE", "service", CTL_TABLE_TEXT },
        { "TARGET", "target", CTL_TABLE_TEXT },
        { "THING", "thing", CTL_TABLE_TEXT },
        { "VALUE", "shown", CTL_TABLE_TEXT },
        { "WHO", "who", CTL_TABLE_TEXT },
        { "AGO", "age", CTL_TABLE_S },
        { "LEFT", "left", CTL_TABLE_S },
    };
    json_t *value = NULL;
    enum ctl_exit result = ctl_client_get(ctl, "/overrides", &value);
    json_t *rows = json_object_get(value, "overrides");
    json_int_t now = (json_int_t)time(NULL);

    for (size_t i = 0; i < json_array_size(rows); i++) {
        json_t *row = json_array_get(rows, i), *until = json_object_get(row, "until");
        add_shown(row);
        json_object_set_new(row, "age",
                            json_integer(now - json_integer_value(json_object_get(row, "since"))));
        if (json_is_integer(until))
            json_object_set_new(row, "left", json_integer(json_integer_value(until) - now));
    }
    if (result == CTL_OK && !ctl->json)
        ctl_table_print(ctl->out, columns, LENGTH(columns), rows);
    json_decref(value);
    return result;
}

enum ctl_exit ctl_target_drop(struct ctl *ctl)
{
    static const char *const names[] = { "upstream", "target", "thing" };
    char path[PATH_MAX_BYTES] = "/overrides", value[PATH_MAX_BYTES / 4];

    if (ctl->all == (ctl->argc > 0)) {
        fputs("gatewayctl: override drop takes an UPSTREAM or --all\n", ctl->err);
        return CTL_USAGE;
    }
    for (int i = 0; i < ctl->argc && i < (int)LENGTH(names); i++) {
        size_t n = strlen(path);
        if (!ctl_client_encode(ctl->argv[i], value, sizeof value)) {
            fputs("gatewayctl: a name is too long\n", ctl->err);
            return CTL_USAGE;
        }
        snprintf(path + n, sizeof path - n, "%c%s=%s", i > 0 ? '&' : '?', names[i], value);
    }
    return send_change(ctl, "DELETE", path, NULL);
}

enum ctl_exit ctl_target_commit(struct ctl *ctl)
{
    struct ctl_client_call call = { .method = "GET",
                                    .path = "/overrides/configuration",
                                    .patience = CTL_CLIENT_PATIENCE };
    struct ctl_client_answer answer;
    enum ctl_exit result = ctl_client_send(ctl, &call, &answer);

    if (result != CTL_OK)
        return result;
    fputs(answer.body, answer.status == 200 ? ctl->out : ctl->err);
    result = answer.status == 200 ? CTL_OK : CTL_REFUSED;
    ctl_client_free(&answer);
    return result;
}
