/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gatewayctl: the shared dictionaries. An object is named by its key (32 hex digits, what
 * X-Cache-Key says) or by its URL, which may stand for several objects: one for each method, route,
 * consumer and vary value.
 */
#include "master/ctl/ctl_cache.h"
#include "master/ctl/ctl_client.h"
#include "master/ctl/ctl_command.h"
#include "master/ctl/ctl_table.h"
#include <stdlib.h>
#include <string.h>

#define LENGTH(array) (sizeof(array) / sizeof(array)[0])

enum { PATH_MAX_TEXT = 32768, URL_MAX_TEXT = 24576 };

static const struct ctl_table_column object_columns[] = {
    { "KEY", "key", CTL_TABLE_TEXT },
    { "DICT", "dict", CTL_TABLE_TEXT },
    { "STATUS", "status", CTL_TABLE_NUMBER },
    { "SIZE", "size", CTL_TABLE_BYTES },
    { "AGE", "age", CTL_TABLE_S },
    { "TTL", "ttl", CTL_TABLE_S },
    { "HITS", "hits", CTL_TABLE_NUMBER },
    { "TAGS", "tags", CTL_TABLE_TEXT },
    { "ROUTE", "route", CTL_TABLE_TEXT },
    { "CONSUMER", "consumer", CTL_TABLE_TEXT },
    { "METHOD", "method", CTL_TABLE_TEXT },
    { "URL", "url", CTL_TABLE_TEXT },
};

bool ctl_cache_is_key(const char *text)
{
    return strlen(text) == 32 && strspn(text, "0123456789abcdefABCDEF") == 32;
}

static enum ctl_exit usage(struct ctl *ctl, const char *text)
{
    fprintf(ctl->err, "gatewayctl: %s\n", text);
    return CTL_USAGE;
}

enum ctl_exit ctl_cache_find(struct ctl *ctl, const struct ctl_cache_query *query, json_t **value)
{
    const struct {
        const char *name, *value;
    } parts[] = { { "limit", ctl->limit },     { "dict", ctl->dict },
                  { "method", query->method }, { "url", query->url },
                  { "tag", ctl->tag },         { "prefix", ctl->prefix },
                  { "host", ctl->host },       { "status", ctl->status },
                  { "sort", ctl->sort },       { "details", query->details ? "true" : NULL } };
    char path[PATH_MAX_TEXT] = "/cache/keys", encoded[URL_MAX_TEXT];
    size_t n = strlen(path);

    *value = NULL;
    for (size_t i = 0; i < LENGTH(parts); i++) {
        if (parts[i].value == NULL)
            continue;
        if (!ctl_client_encode(parts[i].value, encoded, sizeof encoded) ||
            n + strlen(encoded) + 16 > sizeof path)
            return usage(ctl, "that is too long");
        n += (size_t)snprintf(path + n, sizeof path - n, "%c%s=%s", strchr(path, '?') ? '&' : '?',
                              parts[i].name, encoded);
    }
    const struct ctl_client_call call = { .method = "GET",
                                          .path = path,
                                          .patience = CTL_CLIENT_PATIENCE_RELOAD };
    return ctl_client_ask(ctl, &call, value);
}

enum ctl_exit ctl_cache_of_dict(struct ctl *ctl, const char *path, json_t **value)
{
    char whole[PATH_MAX_TEXT];
    size_t n = (size_t)snprintf(whole, sizeof whole, "%s%s", path, ctl->dict ? "?dict=" : "");

    *value = NULL;
    if (ctl->dict != NULL && !ctl_client_encode(ctl->dict, whole + n, sizeof whole - n))
        return usage(ctl, "that is too long");
    return ctl_client_get(ctl, whole, value);
}

/* --- looking -------------------------------------------------------------------------------- */

enum ctl_exit ctl_cache_ls(struct ctl *ctl)
{
    const struct ctl_cache_query query = { .url = ctl->url };
    json_t *value;
    enum ctl_exit result = ctl_cache_find(ctl, &query, &value);

    if (result == CTL_OK && !ctl->json)
        ctl_table_print(ctl->out, object_columns, LENGTH(object_columns),
                        json_object_get(value, "keys"));
    json_decref(value);
    return result;
}

enum ctl_exit ctl_cache_nothing(struct ctl *ctl, const char *what)
{
    fprintf(ctl->err, "gatewayctl: nothing is stored for %s\n", what);
    return CTL_REFUSED;
}

/* "GET http://host/path" in one word or two; the method may be missing. */
enum ctl_exit ctl_cache_key(struct ctl *ctl)
{
    char method[32] = "";
    const char *url = ctl->argv[ctl->argc - 1], *space = strchr(url, ' ');
    json_t *value;

    if (ctl->argc == 2)
        snprintf(method, sizeof method, "%s", ctl->argv[0]);
    if (ctl->argc == 1 && space != NULL && (size_t)(space - url) < sizeof method) {
        memcpy(method, url, (size_t)(space - url));
        url = space + 1;
    }
    const struct ctl_cache_query query = { .url = url, .method = method[0] ? method : NULL };
    enum ctl_exit result = ctl_cache_find(ctl, &query, &value);
    const json_t *keys = json_object_get(value, "keys");
    if (result == CTL_OK && json_array_size(keys) == 0)
        result = ctl_cache_nothing(ctl, url);
    for (size_t i = 0; result == CTL_OK && !ctl->json && i < json_array_size(keys); i++)
        fprintf(ctl->out, "%s\n",
                json_string_value(json_object_get(json_array_get(keys, i), "key")));
    json_decref(value);
    return result;
}
