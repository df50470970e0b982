/* SPDX-License-Identifier: Apache-2.0 */
/* gatewayctl's side of the control API: one call over the Unix socket, with an end in time whatever
 * happens. */
#ifndef MASTER_CTL_CLIENT_H
#define MASTER_CTL_CLIENT_H

#include "master/ctl/ctl_command.h"
#include <jansson.h>
#include <stddef.h>

enum {
    CTL_CLIENT_PATIENCE = 30000,         /* ms for a call */
    CTL_CLIENT_PATIENCE_RELOAD = 100000, /* for one that waits for workers, or walks a cache */
    CTL_CLIENT_ANSWER_MAX = 256 << 20,
};

struct ctl_client_call {
    const char *method, *path; /* the path is sent as it is: encode what goes into it */
    const char *body;          /* NULL: none */
    int patience;              /* ms in all */
};

struct ctl_client_answer {
    int status;
    char *body; /* terminated; malloc'd */
    size_t body_n;
};

/* CTL_OK when there is an answer, of whatever status. Otherwise one sentence went to ctl->err. */
enum ctl_exit ctl_client_send(struct ctl *ctl, const struct ctl_client_call *call,
                              struct ctl_client_answer *answer);
void ctl_client_free(struct ctl_client_answer *answer);

/* The same, and reads the answer: CTL_OK with *value (NULL when it has no body) for 2xx;
 * CTL_REFUSED after the reason went to ctl->err. With -o json the body goes to ctl->out, refused or
 * not, and *value is not to be shown again. */
enum ctl_exit ctl_client_ask(struct ctl *ctl, const struct ctl_client_call *call, json_t **value);

/* GET of `path` with the usual patience. */
enum ctl_exit ctl_client_get(struct ctl *ctl, const char *path, json_t **value);

/* Reads a whole answer at bytes[0..n): true with *status and where its body begins. */
bool ctl_client_parse(const char *bytes, size_t n, int *status, size_t *body_at);

/* Percent-encodes `text` for a query or a path segment into out[0..cap). False: does not fit. */
bool ctl_client_encode(const char *text, char *out, size_t cap);

#endif
