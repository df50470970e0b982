/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changes to the body of a response on its way to the client, whoever makes it: an upstream, the
 * cache or the gateway. What is stored is what came, so filters come behind the cache. A plugin
 * adds one from its header_filter; those of several plugins stand in a row in the order of the
 * chain.
 *
 * The head is held until the first filter that wants the body has passed something on, so it may be
 * changed until then, and what fails until then is still answered properly. A filter is given bytes
 * only when the client has taken all that was sent before: it must not keep more than it can bound.
 * Streams without a filter pay
 * for one comparison. Filters of whole bodies: body_filter_whole.h.
 */
#ifndef WORKER_BODY_FILTER_H
#define WORKER_BODY_FILTER_H

#include "worker/reply.h"
#include <sys/uio.h>

struct body_filter;

struct body_filter_ops {
    /* The head is complete. False: this filter leaves the response alone. True: body() gets what
     * there is of a body (nothing for HEAD, 204 and 304); the head may be changed here or later,
     * until the first body_filter_pass(): fields by stream_set_response() and its like, which tell
     * what stands by stream_get_response(), framing in *reply, which
     * stays where it is. A length that will be another one
     * must be set to it or to REPLY_UNKNOWN, and `announce` with it. */
    bool (*head)(struct stream *s, void *state, struct reply *reply);
    /* Some of the body, n may be 0; `end`: that was the last. The bytes are the caller's and hold
     * during the call; vectors may be used up. Passes on what it makes of them, in any number of
     * calls; the last one has to say `end`. False: the client is gone, as body_filter_pass() said.
     */
    bool (*body)(struct stream *s, struct body_filter *f, struct iovec *iov, int n, bool end);
    /* The source has nothing more right now, perhaps not even a first byte: passes on what should
     * not wait for it; the head leaves in any case. NULL: holds everything back that it likes. */
    bool (*flush)(struct stream *s, struct body_filter *f);
    /* Exactly once: the end was passed on, or the stream dies, or the filter left the response
     * alone. May be NULL. */
    void (*end)(struct stream *s, void *state);
    /* For filters whose work can be stored, NULL for others. After head() was true: a number for
     * what it makes, another one for other bytes. */
    uint8_t (*code)(const void *state);
    /* That was found in the cache: changes the head as if it had been made now; end() follows. */
    void (*stored)(struct stream *s, void *state);
};

struct body_filter {
    struct body_filter *next; /* towards the client */
    const struct body_filter_ops *ops;
    void *state;
    bool asked;   /* head() was called */
    bool off;     /* not for this response */
    bool pending; /* the head was not passed on */
    bool ended;   /* end() was called */
};

/* From header_filter. False: no memory. `end` is not called where nothing was added. */
bool body_filter_add(struct stream *s, const struct body_filter_ops *ops, void *state);

/* Passes bytes and the end on to the next filter or the client. False: the client is gone. */
bool body_filter_pass(struct stream *s, struct body_filter *f, struct iovec *iov, int n, bool end);

/* Before the first body_filter_pass(): what is passed on is what code() stands for, and may be
 * stored where the response came from the cache. */
void body_filter_keep(struct stream *s);

/* Instead of the response, whose head must still be held: an answer as stream_answer() makes it;
 * what else comes of the response is dropped. Returns what body() has to return. */
bool body_filter_refuse(struct stream *s, struct body_filter *f, int status, const char *message);

#endif
