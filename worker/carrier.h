/* SPDX-License-Identifier: Apache-2.0 */
/* What carries streams, as the stages see it: how a request comes in and its response goes out. */
#ifndef WORKER_CARRIER_H
#define WORKER_CARRIER_H

#include "worker/intake.h"
#include <sys/uio.h>

struct reply;
struct stream;

/* What carries streams: HTTP/1 now. A stage calls these and never asks which. */
struct carrier {
    /* Parses the request's head into s->head. > 0: done; 0: more has to come; < 0: minus a status
     * to answer with, the reason in s->cause (-1: the client is gone). */
    int (*read_head)(struct stream *s);
    /* The next run of the body; it holds until the next call. */
    enum intake_result (*read_body)(struct stream *s, struct slice *run);
    /* Takes the body up again from its first byte. False: it is not there any more. */
    bool (*rewind_body)(struct stream *s);
    /* An interim response (1xx). */
    bool (*send_interim)(struct stream *s, const struct reply *reply);
    /* Sends the head (reply not NULL, once, first), vectors of body, and the end of the message.
     * Takes everything; what the client does not take now is kept. The vectors are used up. False:
     * the client is gone. */
    bool (*send)(struct stream *s, const struct reply *reply, struct iovec *body, int n, bool end);
    /* True when all that was sent has left: more may be sent. False and *gone when the client is
     * gone. */
    bool (*flushed)(struct stream *s, bool *gone);
    /* True when the client went away while it waited. */
    bool (*abandoned)(struct stream *s);
    /* Something that the stream waited for happened: lets it go on. */
    void (*wake)(struct stream *s);
    /* Counts what was moved against the stream's share of a turn; false: it is used up, the stream
     * waits and is woken in the next turn. */
    bool (*may_go_on)(struct stream *s, size_t moved);
};

#endif
