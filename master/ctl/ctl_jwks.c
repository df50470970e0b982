/* SPDX-License-Identifier: Apache-2.0 */
/* gatewayctl: keys of token issuers, and a fetch of them out of turn. */
#include "master/ctl/ctl_client.h"
#include "master/ctl/ctl_table.h"
#include <string.h>
#include <time.h>

#define LENGTH(array) (sizeof(array) / sizeof(array)[0])

enum { PATH_MAX_BYTES = 8192 };

/* How long ago, or until when; absent where it never was. */
static void put_span(json_t *o, const char *name, const char *field, int sign)
{
    const json_t *at = json_object_get(o, field);
    json_int_t span = sign * ((json_int_t)time(NULL) - json_integer_value(at));

    if (json_is_integer(at))
        json_object_set_new(o, name, json_integer(span > 0 ? span : 0));
}

static void show(struct ctl *ctl, json_t *value)
{
    static const struct ctl_table_column columns[] = {
        { "URI", "uri", CTL_TABLE_TEXT },
        { "STATE", "state", CTL_TABLE_TEXT },
        { "KEYS", "valid", CTL_TABLE_NUMBER },
        { "GRACE", "in_grace", CTL_TABLE_NUMBER },
        { "FETCHED", "age", CTL_TABLE_S },
        { "ROTATED", "turned", CTL_TABLE_S },
        { "NEXT", "next", CTL_TABLE_S },
        { "FETCHES", "fetches", CTL_TABLE_NUMBER },
        { "FAILED", "failures", CTL_TABLE_NUMBER },
        { "ERROR", "error", CTL_TABLE_TEXT },
    };
    json_t *rows = json_object_get(value, "issuers");

    for (size_t i = 0; i < json_array_size(rows); i++) {
        json_t *o = json_array_get(rows, i);
        put_span(o, "age", "fetched", 1);
        put_span(o, "turned", "rotated", 1);
        put_span(o, "next", "due", -1);
    }
    ctl_table_print(ctl->out, columns, LENGTH(columns), rows);
}

static bool path_of(struct ctl *ctl, const char *start, char *out)
{
    char uri[PATH_MAX_BYTES / 2] = "";

    if (ctl->argc > 0 && !ctl_client_encode(ctl->argv[0], uri, sizeof uri)) {
        fputs("gatewayctl: the URI is too long\n", ctl->err);
        return false;
    }
    snprintf(out, PATH_MAX_BYTES, "%s%s%s", start, uri[0] ? "?uri=" : "", uri);
    return true;
}

static enum ctl_exit call(struct ctl *ctl, const char *method, const char *start)
{
    char path[PATH_MAX_BYTES];
    json_t *value;

    if (!path_of(ctl, start, path))
        return CTL_USAGE;
    const struct ctl_client_call ask = { .method = method,
                                         .path = path,
                                         .patience = CTL_CLIENT_PATIENCE };
    enum ctl_exit result = ctl_client_ask(ctl, &ask, &value);
    if (result == CTL_OK && !ctl->json)
        show(ctl, value);
    json_decref(value);
    return result;
}

enum ctl_exit ctl_jwks_list(struct ctl *ctl)
{
    return call(ctl, "GET", "/jwks");
}

enum ctl_exit ctl_jwks_refresh(struct ctl *ctl)
{
    return call(ctl, "POST", "/jwks/refresh");
}
