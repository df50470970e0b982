/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control API: what can be asked, and by whom. A request that the connection has read
 * completely becomes a reply; nothing here touches a socket. Handlers read shared memory and the
 * configuration, and let the master do what needs rights: they leave a question's id in the reply,
 * and the answer follows when the master has one.
 */
#ifndef MASTER_API_H
#define MASTER_API_H

#include "master/control/advisor.h"
#include "shm/cache.h"
#include "worker/base/channel.h"
#include "worker/base/heritage.h"
#include "worker/base/peers.h"
#include "worker/http/head.h"
#include "worker/http/labels.h"
#include <jansson.h>

enum api_door {
    API_DOOR_CONTROL,
    API_DOOR_STATUS,
    API_DOOR_ADMIN
};                                                    /* the listener that a caller came through */
enum api_rights { API_PUBLIC, API_READ, API_CHANGE }; /* API_DOOR_STATUS opens API_PUBLIC alone */

enum { API_ARGS = 3, API_CALLER_TEXT = 64, API_ALLOW_TEXT = 64, API_PARAMETER_MAX = 8192 };

struct api_caller {
    enum api_door door;
    char text[API_CALLER_TEXT]; /* for the log: "uid=0 pid=4711" or "127.0.0.1:4711" */
};

/* What handlers may use; one in the control process. */
struct api {
    const struct heritage *heritage;
    struct peers peers;          /* renewed at the begin of each call */
    bool swept, swept_committed; /* api_change_sweep() has looked; as what */
    uint64_t swept_epoch;
    int64_t sweep_at;              /* s: when it has to look again although nothing changed */
    struct labels_queries queries; /* of its configuration */
    struct cache *caches[HERITAGE_DICTS_MAX]; /* in the order of conf->shared_dicts; NULL: could not
                                                 be attached */
    struct advisor advisors[HERITAGE_DICTS_MAX]; /* one each */
    int64_t now;                                 /* seconds since 1970 */
    uint64_t now_ns;                             /* CLOCK_MONOTONIC */
    /* Asks the master; returns the question's id, or 0 when it cannot be asked. `text` may be "".
     */
    uint64_t (*ask)(struct api *api, enum channel_op op, const char *text);
};

/* Whether a dictionary can be used, and has that name; "": any. */
static inline bool api_dict_is(const struct api *api, size_t dict, const char *name)
{
    const char *own = api->heritage->conf->shared_dicts[dict].name.s;
    return api->caches[dict] != NULL && (name[0] == '\0' || strcmp(name, own) == 0);
}

struct api_request {
    const struct api_caller *caller;
    const struct head *head;
    enum head_method method; /* METHOD_GET for HEAD too */
    struct slice path;       /* normalised */
    struct slice query;      /* undecoded; absent without "?" */
    struct slice body;
    struct slice args[API_ARGS]; /* segments that the pattern took */
};

/* A call that takes long goes on in slices, others in between. Embedded in
 * what it needs; dropped by api_reply_free(), done or not. */
struct api_reply;
struct api_job {
    bool (*step)(struct api_job *job, struct api_reply *reply); /* true: the reply is filled */
    void (*drop)(struct api_job *job);
};

struct api_reply {
    int status;       /* 0: not known yet, `waits` says for what */
    const char *type; /* Content-Type; NULL: no body */
    char *body;       /* malloc'd, owned by the reply; may be NULL */
    size_t body_n;
    char allow[API_ALLOW_TEXT]; /* value of Allow with 405, or "" */
    uint64_t waits;             /* id of the question to the master; 0: none */
    enum channel_op asked;      /* what it was */
    struct api_job *job;        /* goes on; status is 0 until it is done */
};

typedef void api_handler(struct api *api, const struct api_request *request,
                         struct api_reply *reply);

struct api_route {
    enum head_method method;
    const char *pattern;
    enum api_rights rights;
    api_handler *handler;
    const char *summary;
};

#define ROUTE(method, pattern, rights, handler, summary) api_handler handler;
#include "master/control/api_routes.def"
#undef ROUTE

/* Checks who asks, finds the row, runs its handler. *reply is filled, whatever happens;
 * api_reply_free() ends it. `request` has everything but method and args, which are set here. */
void api_dispatch(struct api *api, struct api_request *request, struct api_reply *reply);

/* The row for a method and path at a door, with the pattern's segments in args; NULL with *reply
 * filled (404, 405). */
const struct api_route *api_find(struct api_request *request, struct api_reply *reply);

/* The master's answer to what `reply` waits for. `text`: lines of text, may be NULL. */
void api_result(struct api_reply *reply, uint32_t number, const char *text, size_t text_n);

/* Fills a reply. api_reply_json takes over `value`; NULL (no memory on the way) becomes a 500. */
void api_reply_json(struct api_reply *reply, int status, json_t *value);
/* The same with JSON that is text already, malloc'd and taken over; NULL: 500. */
void api_reply_text(struct api_reply *reply, int status, char *json, size_t n);
void api_reply_message(struct api_reply *reply, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void api_reply_free(struct api_reply *reply);

/* A query parameter, decoded and terminated in out[0..cap). False: not there, malformed or too
 * long. */
bool api_parameter(const struct api_request *request, const char *name, char *out, size_t cap);

/* Whether api_parameter() can be trusted to say that there is none: false for one that is
 * malformed, or does not fit in `cap` (at most API_PARAMETER_MAX) bytes. */
bool api_parameter_fits(const struct api_request *request, const char *name, size_t cap);

/* A JSON string of any bytes: what is no UTF-8 becomes U+FFFD. */
json_t *api_text(const char *p, size_t n);
json_t *api_conf_text(struct conf_text text);
json_t *api_conf_texts(struct conf_texts texts);

/* One line in the log for a call that changes something: the text, made printable, and who asked.
 */
void api_audit(const struct api_request *request, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
