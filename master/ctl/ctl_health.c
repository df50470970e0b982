/* SPDX-License-Identifier: Apache-2.0 */
/* gatewayctl: what probes and requests told about targets, and a probe out of turn. */
#include "master/ctl/ctl_client.h"
#include "master/ctl/ctl_command.h"
#include "master/ctl/ctl_table.h"
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LENGTH(array) (sizeof(array) / sizeof(array)[0])

enum { PATH_TEXT = 4096, POLL_MS = 50, PROBE_PATIENCE_MS = 65 * 1000 };

static const struct ctl_table_column columns[] = {
    { "AT", "when", CTL_TABLE_TEXT },
    { "UPSTREAM", "upstream", CTL_TABLE_TEXT },
    { "TARGET", "address", CTL_TABLE_TEXT },
    { "WHAT", "kind", CTL_TABLE_TEXT },
    { "BY", "by", CTL_TABLE_TEXT },
    { "RESULT", "result", CTL_TABLE_TEXT },
    { "TOOK MS", "took_ms", CTL_TABLE_NUMBER },
    { "STATE", "state", CTL_TABLE_TEXT },
};

static bool path_of(struct ctl *ctl, const char *call, char path[PATH_TEXT])
{
    char encoded[PATH_TEXT / 2];

    snprintf(path, PATH_TEXT, "%s", call);
    if (ctl->argc == 0)
        return true;
    if (!ctl_client_encode(ctl->argv[0], encoded, sizeof encoded))
        return false;
    snprintf(path, PATH_TEXT, "%s?target=%s", call, encoded);
    return true;
}

/* "2026-11-22 10:00:00.123", in the local time zone. */
static json_t *when(double at)
{
    time_t seconds = (time_t)at;
    struct tm tm;
    char text[32];

    if (localtime_r(&seconds, &tm) == NULL || strftime(text, sizeof text, "%F %T", &tm) == 0)
        return json_null();
    return json_sprintf("%s.%03d", text, (int)((at - (double)seconds) * 1000));
}

/* "status 503", "TLS handshake failed: certificate has expired", "ok". */
static json_t *result_of(const json_t *entry)
{
    const char *cause = json_string_value(json_object_get(entry, "cause"));
    const char *detail = json_string_value(json_object_get(entry, "detail"));
    json_int_t status = json_integer_value(json_object_get(entry, "status"));

    if (status > 0)
        return json_sprintf("status %d", (int)status);
    return json_sprintf("%s%s%s", cause ? cause : "", detail ? ": " : "", detail ? detail : "");
}

static void add_entries(json_t *rows, const json_t *target, size_t last)
{
    const json_t *log = json_object_get(target, "log");
    size_t n = json_array_size(log);

    for (size_t i = n > last ? n - last : 0; i < n; i++) {
        json_t *entry = json_array_get(log, i);
        json_object_set_new(entry, "when", when(json_number_value(json_object_get(entry, "at"))));
        json_object_set_new(entry, "result", result_of(entry));
        json_object_set(entry, "upstream", json_object_get(target, "upstream"));
        json_object_set(entry, "address", json_object_get(target, "address"));
        json_array_append(rows, entry);
    }
}

/* The last entries of each target. */
static void show(struct ctl *ctl, const json_t *value, size_t last)
{
    const json_t *targets = json_object_get(value, "targets");
    json_t *rows = json_array();

    for (size_t i = 0; i < json_array_size(targets); i++)
        add_entries(rows, json_array_get(targets, i), last);
    ctl_table_print(ctl->out, columns, LENGTH(columns), rows);
    json_decref(rows);
}

enum ctl_exit ctl_health_log(struct ctl *ctl)
{
    char path[PATH_TEXT];
    json_t *value;

    if (!path_of(ctl, "/health/log", path)) {
        fputs("gatewayctl: the target's name is too long\n", ctl->err);
        return CTL_USAGE;
    }
    enum ctl_exit result = ctl_client_get(ctl, path, &value);
    if (result == CTL_OK && !ctl->json)
        show(ctl, value, SIZE_MAX);
    json_decref(value);
    return result;
}

/* --- probe ---------------------------------------------------------------------------------- */

/* Whether each target has answered what it was asked. */
static bool answered(const json_t *asked, const json_t *now)
{
    const json_t *a = json_object_get(asked, "targets"), *b = json_object_get(now, "targets");

    for (size_t i = 0; i < json_array_size(a); i++) {
        json_int_t wanted = json_integer_value(json_object_get(json_array_get(a, i), "asked"));
        json_int_t done = json_integer_value(json_object_get(json_array_get(b, i), "answered"));
        if (done < wanted)
            return false;
    }
    return true;
}

static enum ctl_exit wait_for(struct ctl *ctl, const char *path, const json_t *asked,
                              json_t **value)
{
    static const struct timespec nap = { 0, POLL_MS * 1000000L };
    enum ctl_exit result = CTL_OK;

    for (int waited = 0; waited < PROBE_PATIENCE_MS; waited += POLL_MS) {
        result = ctl_client_get(ctl, path, value);
        if (result != CTL_OK || answered(asked, *value))
            return result;
        json_decref(*value);
        *value = NULL;
        nanosleep(&nap, NULL);
    }
    fputs("gatewayctl: the checker did not answer in time\n", ctl->err);
    return CTL_REFUSED;
}

/* What probe says is what the last line of each target's log says: 1 when any of them failed. */
static enum ctl_exit outcome(const json_t *value)
{
    const json_t *targets = json_object_get(value, "targets");

    for (size_t i = 0; i < json_array_size(targets); i++) {
        const json_t *log = json_object_get(json_array_get(targets, i), "log");
        const json_t *last = json_array_get(log, json_array_size(log) - 1);
        const char *cause = json_string_value(json_object_get(last, "cause"));
        if (cause == NULL || strcmp(cause, "ok") != 0)
            return CTL_REFUSED;
    }
    return CTL_OK;
}

enum ctl_exit ctl_health_probe(struct ctl *ctl)
{
    char path[PATH_TEXT];
    json_t *asked = NULL, *value = NULL;
    bool json = ctl->json;

    if (!path_of(ctl, "/health/probe", path)) {
        fputs("gatewayctl: the target's name is too long\n", ctl->err);
        return CTL_USAGE;
    }
    const struct ctl_client_call call = { .method = "POST",
                                          .path = path,
                                          .patience = CTL_CLIENT_PATIENCE };
    ctl->json = false; /* one answer is shown, not each that was asked for */
    enum ctl_exit result = ctl_client_ask(ctl, &call, &asked);
    (void)path_of(ctl, "/health/log", path);
    if (result == CTL_OK)
        result = wait_for(ctl, path, asked, &value);
    ctl->json = json;
    if (result == CTL_OK && json) {
        json_dumpf(value, ctl->out, JSON_COMPACT);
        fputc('\n', ctl->out);
    } else if (result == CTL_OK) {
        show(ctl, value, 1);
    }
    if (result == CTL_OK)
        result = outcome(value);
    json_decref(asked);
    json_decref(value);
    return result;
}
