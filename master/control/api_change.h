/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the calls that override the file share: whom a path names, the overrides of an upstream or a
 * service as they are read, changed and written back, and how they are shown. Only the control
 * process of the newest configuration writes them.
 */
#ifndef MASTER_API_CHANGE_H
#define MASTER_API_CHANGE_H

#include "master/control/api.h"
#include "worker/base/override.h"

enum { CHANGE_WEIGHT = 100 /* of a target that is added without one */ };

/* One change under way. Zeroed; api_change_end() ends it. */
struct api_change {
    struct api *api;
    const struct api_request *request;
    struct api_reply *reply; /* filled when something is wrong */
    const struct conf_upstream *upstream;
    const struct conf_service *service; /* NULL: it is about the upstream */
    const struct conf_target *file;     /* the target in the file; NULL: it is not in it */
    char subject[OVERRIDE_SUBJECT];
    struct override_list list;
    json_t *body;
    int64_t until;
};

/* A path segment, decoded. False: too long, or not text. */
bool api_change_segment(struct slice segment, char *out, size_t cap);

/* The upstream or service that a segment names, by name or id. NULL: *reply says 404. */
const struct conf_upstream *api_change_upstream(const struct api *api, struct slice segment,
                                                struct api_reply *reply);
const struct conf_service *api_change_service(const struct api *api, struct slice segment,
                                              struct api_reply *reply);

/* Whether the file has an upstream of that name. */
bool api_change_is_upstream(const struct conf *conf, const char *name);

/* Finds the upstream of args[0], and with `named` the target of args[1], and reads the overrides.
 * False: the reply says why. */
bool api_change_begin(struct api_change *c, bool named);
bool api_change_begin_service(struct api_change *c);
/* Reads the body, an object, and "for" in it: seconds, or "90s", "10m", "2h", "1d". */
bool api_change_body(struct api_change *c);
/* Seconds of such a span; 0: it is none. */
int64_t api_change_span(const char *text);
void api_change_end(struct api_change *c);

/* Which target the change is about; true: the upstream has it, by the file or by hand. */
bool api_change_subject(struct api_change *c, const char *text, size_t n);

/* One thing of the subject gets a value, or what the file says of it holds again. */
bool api_change_set(struct api_change *c, enum override_thing thing, int value);
bool api_change_put(struct api_change *c, const struct override *o); /* the whole of it */
void api_change_drop(struct api_change *c, enum override_thing thing);
bool api_change_write(struct api_change *c);

/* {"thing": ..., "value": ..., "who": ..., "since": ..., "until": null | ...} */
json_t *api_change_json(const struct override *o);

/* Each target that takes part, by the file or by hand, and of which no address is known. `why`
 * holds as long as the call. */
typedef void api_change_unresolved(void *arg, struct conf_text target, int weight, const char *why);
void api_change_each_unresolved(const struct api *api, const struct conf_upstream *upstream,
                                api_change_unresolved *each, void *arg);

/* Drops what has expired, and, once this process's file is the one in use, what the file overtook.
 * Cheap when nothing is due. */
void api_change_sweep(struct api *api);

#endif
