/* SPDX-License-Identifier: Apache-2.0 */
/* API: the processes of the gateway, and what only the master can do: reload, upgrade, stop,
 * quit, reopen. */
#include "master/control/api.h"
#include <limits.h>

static const char *const role_names[ROLE_COUNT] = {
    [ROLE_WORKER] = "worker",
    [ROLE_CHECKER] = "checker",
    [ROLE_CONTROL] = "control",
    [ROLE_MOVER] = "mover",
};

static const char *const state_names[] = {
    [BOARD_FREE] = "free",         [BOARD_STARTING] = "starting", [BOARD_RUNNING] = "running",
    [BOARD_DRAINING] = "draining", [BOARD_DEAD] = "dead",
};
enum { STATES = sizeof state_names / sizeof state_names[0] };

static const char *role_name(uint32_t role)
{
    return role < ROLE_COUNT ? role_names[role] : "unknown";
}

static const char *state_name(uint32_t state)
{
    return state < STATES ? state_names[state] : "unknown";
}

/* Milliseconds since an instant of the same clock; 0 when it lies ahead or was never set. */
static json_int_t since_ms(uint64_t now_ns, uint64_t then_ns)
{
    return then_ns == 0 || then_ns > now_ns ? 0 : (json_int_t)((now_ns - then_ns) / 1000000);
}

/* Another process writes this text while it is read: copied first, whatever it is. */
static json_t *shared_text(const char *p, size_t cap)
{
    char copy[BOARD_DOING];
    size_t n = cap < sizeof copy ? cap : sizeof copy;

    memcpy(copy, p, n);
    return api_text(copy, strnlen(copy, n));
}

static json_t *row_json(const struct api *api, const struct board_row_shm *row, uint32_t slot)
{
    json_t *o = json_object();

    json_object_set_new(o, "slot", json_integer(slot));
    json_object_set_new(o, "role", json_string(role_name(row->role)));
    json_object_set_new(o, "index", json_integer(row->index));
    json_object_set_new(o, "pid", json_integer(row->pid));
    json_object_set_new(o, "state", json_string(state_name(row->state)));
    json_object_set_new(o, "generation", json_integer((json_int_t)row->generation));
    json_object_set_new(o, "uptime_ms", json_integer(since_ms(api->now_ns, row->started)));
    json_object_set_new(o, "beat_ms", json_integer(since_ms(api->now_ns, row->beat)));
    json_object_set_new(o, "connections", json_integer((json_int_t)row->connections));
    json_object_set_new(o, "clients", json_integer((json_int_t)row->clients));
    json_object_set_new(o, "streams", json_integer((json_int_t)row->streams));
    json_object_set_new(o, "doing", shared_text(row->doing, sizeof row->doing));
    return o;
}

void api_process_list(struct api *api, const struct api_request *request, struct api_reply *reply)
{
    struct board_shm *board = board_of(&api->heritage->board);
    json_t *list = json_array(), *value = json_object();

    (void)request;
    for (uint32_t slot = 0; slot < BOARD_SLOTS; slot++)
        if (board->rows[slot].state != BOARD_FREE)
            json_array_append_new(list, row_json(api, &board->rows[slot], slot));
    json_object_set_new(value, "generation", json_integer((json_int_t)board->generation));
    json_object_set_new(value, "workers", list);
    api_reply_json(reply, 200, value);
}

void api_process_version(struct api *api, const struct api_request *request,
                         struct api_reply *reply)
{
    json_t *value = json_object();

    (void)request;
    json_object_set_new(value, "version", json_string(GATEWAY_VERSION));
    json_object_set_new(value, "generation", json_integer((json_int_t)api->heritage->generation));
    api_reply_json(reply, 200, value);
}

static void ask_with(struct api *api, struct api_reply *reply, enum channel_op op, const char *text)
{
    reply->asked = op;
    reply->waits = api->ask(api, op, text);
    if (reply->waits == 0)
        api_reply_message(reply, 503, "The master does not listen, or too many calls wait for it");
}

static void ask(struct api *api, const struct api_request *request, struct api_reply *reply,
                enum channel_op op, const char *what)
{
    api_audit(request, "%s", what);
    ask_with(api, reply, op, "");
}

void api_process_reload(struct api *api, const struct api_request *request, struct api_reply *reply)
{
    ask(api, request, reply, CHANNEL_RELOAD, "reload");
}

void api_process_stop(struct api *api, const struct api_request *request, struct api_reply *reply)
{
    ask(api, request, reply, CHANNEL_STOP, "stop");
}

void api_process_quit(struct api *api, const struct api_request *request, struct api_reply *reply)
{
    ask(api, request, reply, CHANNEL_QUIT, "quit");
}

void api_process_reopen(struct api *api, const struct api_request *request, struct api_reply *reply)
{
    ask(api, request, reply, CHANNEL_REOPEN, "reopen");
}

/* The path that the body names; NULL: none, or *wrong says what is. */
static const char *binary_of(const json_t *body, const char **wrong)
{
    const char *path = json_string_value(json_object_get(body, "binary"));

    *wrong = NULL;
    if (json_object_size(body) != 1 || path == NULL)
        *wrong = "The body must be empty or {\"binary\": PATH}";
    else if (path[0] != '/' || strlen(path) >= PATH_MAX || strpbrk(path, "\r\n") != NULL)
        *wrong = "The path of a binary has to be absolute, and short enough for the system";
    return *wrong == NULL ? path : NULL;
}

/* Who reaches the control socket is let in by the rights of a file; so much is not asked of who
 * comes over TCP. */
void api_process_upgrade(struct api *api, const struct api_request *request,
                         struct api_reply *reply)
{
    const char *wrong, *path;
    json_t *body;

    if (request->body.n == 0) {
        ask(api, request, reply, CHANNEL_UPGRADE, "upgrade");
        return;
    }
    if (request->caller->door != API_DOOR_CONTROL) {
        api_reply_message(reply, 403, "A binary can be named over the control socket alone");
        return;
    }
    body = json_loadb(request->body.p, request->body.n, JSON_REJECT_DUPLICATES, NULL);
    path = binary_of(body, &wrong);
    if (path == NULL) {
        api_reply_message(reply, 400, "%s", wrong);
    } else {
        api_audit(request, "upgrade to %s", path);
        ask_with(api, reply, CHANNEL_UPGRADE, path);
    }
    json_decref(body);
}
