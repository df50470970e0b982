/* SPDX-License-Identifier: Apache-2.0 */
/* gatewayctl: the gateway as a whole and its processes; reload, upgrade, stop, quit, reopen;
 * checking a configuration file. */
#include "master/ctl/ctl_client.h"
#include "master/ctl/ctl_command.h"
#include "master/ctl/ctl_table.h"
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LENGTH(array) (sizeof(array) / sizeof(array)[0])

enum ctl_exit ctl_process_status(struct ctl *ctl)
{
    static const struct ctl_table_column facts[] = {
        { "version", "version", CTL_TABLE_TEXT },
        { "configuration", "configuration", CTL_TABLE_TEXT },
        { "generation", "generation", CTL_TABLE_NUMBER },
        { "master pid", "master_pid", CTL_TABLE_NUMBER },
        { "uptime", "uptime", CTL_TABLE_S },
        { "reloads", "reloads", CTL_TABLE_NUMBER },
        { "reloads refused", "reload_failures", CTL_TABLE_NUMBER },
        { "processes replaced", "restarts", CTL_TABLE_NUMBER },
        { "workers", "workers.running", CTL_TABLE_NUMBER },
        { "workers draining", "workers.draining", CTL_TABLE_NUMBER },
        { "connections active", "connections.active", CTL_TABLE_NUMBER },
        { "connections idle", "connections.idle", CTL_TABLE_NUMBER },
        { "connections accepted", "connections.accepted", CTL_TABLE_NUMBER },
        { "TLS handshakes", "connections.tls_handshakes", CTL_TABLE_NUMBER },
        { "requests", "requests.total", CTL_TABLE_NUMBER },
        { "answered 2xx", "requests.codes.2xx", CTL_TABLE_NUMBER },
        { "answered 3xx", "requests.codes.3xx", CTL_TABLE_NUMBER },
        { "answered 4xx", "requests.codes.4xx", CTL_TABLE_NUMBER },
        { "answered 5xx", "requests.codes.5xx", CTL_TABLE_NUMBER },
        { "bytes in", "requests.bytes_in", CTL_TABLE_BYTES },
        { "bytes out", "requests.bytes_out", CTL_TABLE_BYTES },
        { "cache hits", "cache.hit", CTL_TABLE_NUMBER },
        { "cache misses", "cache.miss", CTL_TABLE_NUMBER },
        { "cache bypasses", "cache.bypass", CTL_TABLE_NUMBER },
        { "targets up", "upstream.targets_up", CTL_TABLE_NUMBER },
        { "targets down", "upstream.targets_down", CTL_TABLE_NUMBER },
        { "upstream failures", "upstream.failures", CTL_TABLE_NUMBER },
    };
    json_t *value;
    enum ctl_exit result = ctl_client_get(ctl, "/status", &value);

    if (result == CTL_OK && !ctl->json)
        ctl_table_facts(ctl->out, facts, LENGTH(facts), value);
    json_decref(value);
    return result;
}

enum ctl_exit ctl_process_workers(struct ctl *ctl)
{
    static const struct ctl_table_column columns[] = {
        { "SLOT", "slot", CTL_TABLE_NUMBER },
        { "ROLE", "role", CTL_TABLE_TEXT },
        { "INDEX", "index", CTL_TABLE_NUMBER },
        { "PID", "pid", CTL_TABLE_NUMBER },
        { "STATE", "state", CTL_TABLE_TEXT },
        { "GENERATION", "generation", CTL_TABLE_NUMBER },
        { "UPTIME", "uptime_ms", CTL_TABLE_MS },
        { "BEAT", "beat_ms", CTL_TABLE_MS },
        { "CONNECTIONS", "connections", CTL_TABLE_NUMBER },
        { "CLIENTS", "clients", CTL_TABLE_NUMBER },
        { "STREAMS", "streams", CTL_TABLE_NUMBER },
        { "DOING", "doing", CTL_TABLE_TEXT },
    };
    json_t *value;
    enum ctl_exit result = ctl_client_get(ctl, "/workers", &value);

    if (result == CTL_OK && !ctl->json)
        ctl_table_print(ctl->out, columns, LENGTH(columns), json_object_get(value, "workers"));
    json_decref(value);
    return result;
}

static enum ctl_exit order_with(struct ctl *ctl, const char *path, const char *body)
{
    const struct ctl_client_call call = {
        .method = "POST", .path = path, .body = body, .patience = CTL_CLIENT_PATIENCE_RELOAD
    };
    json_t *value;
    enum ctl_exit result = ctl_client_ask(ctl, &call, &value);
    const char *message = json_string_value(json_object_get(value, "message"));

    if (result == CTL_OK && !ctl->json)
        fprintf(ctl->out, "%s\n", message != NULL ? message : "done");
    json_decref(value);
    return result;
}

static enum ctl_exit order(struct ctl *ctl, const char *path)
{
    return order_with(ctl, path, NULL);
}

/* The gateway may be somewhere else than this program: it gets an absolute path. */
enum ctl_exit ctl_process_upgrade(struct ctl *ctl)
{
    char path[PATH_MAX];

    if (ctl->binary == NULL)
        return order(ctl, "/upgrade");
    if (realpath(ctl->binary, path) == NULL) {
        fprintf(ctl->err, "gatewayctl: %s: %s\n", ctl->binary, strerror(errno));
        return CTL_USAGE;
    }
    json_t *what = json_pack("{ss}", "binary", path);
    char *body = what != NULL ? json_dumps(what, JSON_COMPACT) : NULL;
    json_decref(what);
    if (body == NULL) {
        fprintf(ctl->err, "gatewayctl: %s: no text that JSON can hold\n", path);
        return CTL_USAGE;
    }
    enum ctl_exit result = order_with(ctl, "/upgrade", body);
    free(body);
    return result;
}

enum ctl_exit ctl_process_reload(struct ctl *ctl)
{
    return order(ctl, "/reload");
}

enum ctl_exit ctl_process_stop(struct ctl *ctl)
{
    return order(ctl, "/stop");
}

enum ctl_exit ctl_process_quit(struct ctl *ctl)
{
    return order(ctl, "/quit");
}

enum ctl_exit ctl_process_reopen(struct ctl *ctl)
{
    return order(ctl, "/reopen");
}

/* The daemon that lies beside this program, or where an installation puts it. False: neither is
 * there. */
static bool beside(char *path, size_t cap)
{
    static const char *const names[] = { "gateway", "../sbin/gateway" };
    ssize_t n = readlink("/proc/self/exe", path, cap - 1);

    if (n < 0)
        return false;
    path[n] = '\0';
    char *slash = strrchr(path, '/');
    size_t at = slash != NULL ? (size_t)(slash - path) + 1 : 0;
    for (size_t i = 0; i < LENGTH(names); i++) {
        if (snprintf(path + at, cap - at, "%s", names[i]) < (int)(cap - at) &&
            access(path, X_OK) == 0)
            return true;
    }
    return false;
}

/* The daemon reads its file itself: what it says here is what it will say at its next start. */
enum ctl_exit ctl_process_check(struct ctl *ctl)
{
    char path[4096];
    char *const words[] = { (char *)(uintptr_t) "gateway", (char *)(uintptr_t) "-t",
                            (char *)(uintptr_t) "-c", ctl->argv[0], NULL };

    fflush(NULL);
    if (beside(path, sizeof path))
        execv(path, words);
    else
        execvp("gateway", words);
    fprintf(ctl->err, "gatewayctl: cannot run gateway: %s\n", strerror(errno));
    return CTL_UNREACHABLE;
}

enum ctl_exit ctl_process_version(struct ctl *ctl)
{
    json_t *value;

    if (!ctl->json)
        fprintf(ctl->out, "gatewayctl %s\n", GATEWAY_VERSION);
    enum ctl_exit result = ctl_client_get(ctl, "/version", &value);
    const char *version = json_string_value(json_object_get(value, "version"));
    if (result == CTL_OK && !ctl->json)
        fprintf(ctl->out, "gateway %s\n", version != NULL ? version : "?");
    json_decref(value);
    return result;
}
