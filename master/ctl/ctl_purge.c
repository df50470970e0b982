/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gatewayctl purge: what is named goes to the gateway as it is written; that it took, and how long,
 * comes back. How many objects it reached is known for a key, for all, and from a dry run.
 */
#include "master/ctl/ctl_cache.h"
#include "master/ctl/ctl_client.h"
#include "master/ctl/ctl_command.h"
#include "master/ctl/ctl_table.h"
#include <stdlib.h>
#include <string.h>

static enum ctl_exit usage(struct ctl *ctl, const char *text)
{
    fprintf(ctl->err, "gatewayctl: %s\n", text);
    return CTL_USAGE;
}

/* What is to be purged, as the API takes it; NULL: not one thing, *wrong says what. */
static json_t *order(const struct ctl *ctl, const char **wrong)
{
    const struct {
        const char *name, *value;
    } by[] = {
        { "key", ctl->argc > 0 ? ctl->argv[0] : NULL },
        { "url", ctl->url },
        { "tag", ctl->tag },
        { "prefix", ctl->prefix },
        { "host", ctl->host },
        { "route", ctl->route },
        { "service", ctl->service },
    };
    json_t *o = json_object();
    size_t n = ctl->all ? 1 : 0;

    *wrong = "that is no text in UTF-8";
    bool good = !ctl->all || json_object_set_new(o, "all", json_true()) == 0;
    for (size_t i = 0; i < sizeof by / sizeof by[0]; i++) {
        if (by[i].value == NULL)
            continue;
        good &= json_object_set_new(o, by[i].name, json_string(by[i].value)) == 0;
        n++;
    }
    if (ctl->soft)
        good &= json_object_set_new(o, "soft", json_true()) == 0;
    if (ctl->dry_run)
        good &= json_object_set_new(o, "dry_run", json_true()) == 0;
    if (ctl->dict != NULL)
        good &= json_object_set_new(o, "dict", json_string(ctl->dict)) == 0;
    if (n != 1)
        *wrong = "purge takes one of: a key, --url, --tag, --prefix, --host, --route, --service, "
                 "--all";
    if (n == 1 && good)
        return o;
    json_decref(o);
    return NULL;
}

static void show(struct ctl *ctl, const json_t *value)
{
    const char *by = json_string_value(json_object_get(value, "by"));
    const json_t *purged = json_object_get(value, "purged");

    if (ctl->dry_run) {
        char *bytes = ctl_table_cell(json_object_get(value, "bytes"), CTL_TABLE_BYTES);
        fprintf(ctl->out, "%lld objects, %s: nothing was purged\n",
                (long long)json_integer_value(json_object_get(value, "objects")),
                bytes != NULL ? bytes : "");
        free(bytes);
        return;
    }
    if (json_is_integer(purged))
        fprintf(ctl->out, "%lld ", (long long)json_integer_value(purged));
    fprintf(ctl->out, "purged by %s%s in %.1f us\n", by != NULL ? by : "-",
            ctl->soft ? " softly" : "", json_real_value(json_object_get(value, "us")));
}

enum ctl_exit ctl_purge(struct ctl *ctl)
{
    const char *wrong;
    json_t *value, *what;

    if (ctl->argc > 0 && !ctl_cache_is_key(ctl->argv[0]))
        return usage(ctl, "a key has 32 hex digits; a URL goes with --url");
    if ((what = order(ctl, &wrong)) == NULL)
        return usage(ctl, wrong);
    char *body = json_dumps(what, JSON_COMPACT);
    json_decref(what);
    if (body == NULL)
        return usage(ctl, "that is no text in UTF-8");
    const struct ctl_client_call call = {
        .method = "POST", .path = "/purge", .body = body, .patience = CTL_CLIENT_PATIENCE_RELOAD
    };
    enum ctl_exit result = ctl_client_ask(ctl, &call, &value);
    const json_t *purged = json_object_get(value, "purged");
    if (result == CTL_OK && ctl->argc > 0 && json_is_integer(purged) &&
        json_integer_value(purged) == 0)
        result = ctl_cache_nothing(ctl, ctl->argv[0]);
    else if (result == CTL_OK && !ctl->json)
        show(ctl, value);
    json_decref(value);
    free(body);
    return result;
}
