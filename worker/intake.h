/* SPDX-License-Identifier: Apache-2.0 */
/* The body of a request as it arrives: a part of each stream (stream_life.h). */
#ifndef WORKER_INTAKE_H
#define WORKER_INTAKE_H

#include "worker/http/chunk.h"
#include "worker/http/head.h"
#include "worker/http/upload.h"

/* How the next piece of a request's body came out. */
enum intake_result {
    INTAKE_RUN,       /* a run of payload */
    INTAKE_WAIT,      /* nothing now */
    INTAKE_END,       /* the body is complete */
    INTAKE_BAD,       /* malformed: 400, the connection is lost */
    INTAKE_TOO_LARGE, /* past request_body_max_size: 413 */
    INTAKE_TIMEOUT,   /* the client was waited for too long, intake.late says by which clock: 408 */
    INTAKE_GONE,      /* the client went away */
    INTAKE_REFUSED,   /* by a plugin that watches it */
};

/* The request's body as it arrives. */
struct intake {
    enum head_framing framing;
    bool done;
    bool continued;      /* 100 Continue was sent, or is not asked for */
    uint64_t left;       /* FRAMING_LENGTH */
    uint64_t received;   /* payload bytes */
    uint64_t limit;      /* request_body_max_size or a plugin's; UINT64_MAX = none */
    const char *refusal; /* what a plugin says past it; NULL: it is not the plugin's */
    const char *late;    /* the setting whose time is over */
    struct upload clock;
    struct chunk chunk;
};

#endif
