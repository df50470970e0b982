/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gatewayctl shift: leads a share of a service to another upstream, changes, finishes or undoes
 * that, or shows it. It only asks: the steps are the gateway's own, whatever becomes of the caller.
 */
#include "master/ctl/ctl_client.h"
#include "master/ctl/ctl_table.h"
#include <stdlib.h>

#define LENGTH(array) (sizeof(array) / sizeof(array)[0])

enum { NAME_MAX_BYTES = 1024 };

static void show(struct ctl *ctl, json_t *value)
{
    static const struct ctl_table_column columns[] = {
        { "SERVICE", "service", CTL_TABLE_TEXT },
        { "FROM", "from", CTL_TABLE_TEXT },
        { "TO", "to", CTL_TABLE_TEXT },
        { "PERCENT", "percent", CTL_TABLE_NUMBER },
        { "STATE", "state", CTL_TABLE_TEXT },
        { "STEP", "step", CTL_TABLE_TEXT },
        { "ABORT IF", "abort_if", CTL_TABLE_TEXT },
        { "ANSWERED", "answered", CTL_TABLE_NUMBER },
        { "FAILED", "failed", CTL_TABLE_NUMBER },
        { "WHO", "who", CTL_TABLE_TEXT },
        { "WHY", "why", CTL_TABLE_TEXT },
    };

    if (!ctl->json && value != NULL)
        ctl_table_facts(ctl->out, columns, LENGTH(columns), value);
}

static void put_text(json_t *body, const char *name, const char *text)
{
    if (text != NULL)
        json_object_set_new(body, name, json_string(text));
}

/* NULL: a mistake, which was told. */
static json_t *body_of(struct ctl *ctl)
{
    char *end = NULL;
    long requests = ctl->requests != NULL ? strtol(ctl->requests, &end, 10) : 0;
    json_t *body;

    if (ctl->requests != NULL && (*end != '\0' || end == ctl->requests)) {
        fprintf(ctl->err, "gatewayctl: \"%s\" is not a number of requests\n", ctl->requests);
        return NULL;
    }
    body = json_object();
    put_text(body, "to", ctl->to);
    put_text(body, "percent", ctl->finish ? "100" : ctl->percent);
    put_text(body, "step", ctl->step);
    put_text(body, "abort_if", ctl->abort_if);
    put_text(body, "for", ctl->span);
    if (ctl->requests != NULL)
        json_object_set_new(body, "requests", json_integer(requests));
    return body;
}

static enum ctl_exit change(struct ctl *ctl, const char *path, json_t *body)
{
    char *text = json_dumps(body, JSON_COMPACT);
    struct ctl_client_call call = { .method = ctl->to != NULL ? "PUT" : "PATCH",
                                    .path = path,
                                    .body = text,
                                    .patience = CTL_CLIENT_PATIENCE };
    json_t *value = NULL;
    enum ctl_exit result = ctl_client_ask(ctl, &call, &value);

    if (result == CTL_OK)
        show(ctl, value);
    json_decref(value);
    free(text);
    return result;
}

static enum ctl_exit cancel(struct ctl *ctl, const char *path)
{
    struct ctl_client_call call = { .method = "DELETE",
                                    .path = path,
                                    .patience = CTL_CLIENT_PATIENCE };
    json_t *value = NULL;
    enum ctl_exit result = ctl_client_ask(ctl, &call, &value);

    json_decref(value);
    return result;
}

static enum ctl_exit look(struct ctl *ctl, const char *path)
{
    json_t *value = NULL;
    enum ctl_exit result = ctl_client_get(ctl, path, &value);

    if (result == CTL_OK)
        show(ctl, value);
    json_decref(value);
    return result;
}

enum ctl_exit ctl_shift(struct ctl *ctl)
{
    char name[NAME_MAX_BYTES], path[NAME_MAX_BYTES + 64];
    json_t *body = body_of(ctl);
    size_t said = json_object_size(body);
    enum ctl_exit result = CTL_USAGE;

    if (body == NULL)
        return CTL_USAGE;
    if (!ctl_client_encode(ctl->argv[0], name, sizeof name))
        fputs("gatewayctl: a name is too long\n", ctl->err);
    else if ((ctl->cancel && said > 0) || (ctl->finish && (said > 1 || ctl->percent != NULL)))
        fputs("gatewayctl: --cancel and --finish stand alone\n", ctl->err);
    else {
        snprintf(path, sizeof path, "/services/%s/shift", name);
        result = ctl->cancel ? cancel(ctl, path)
                 : said > 0  ? change(ctl, path, body)
                             : look(ctl, path);
    }
    json_decref(body);
    return result;
}
