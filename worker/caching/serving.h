/* SPDX-License-Identifier: Apache-2.0 */
/* The answer that a stored object gives to this very request: whole, a part of it, or 304. */
#ifndef WORKER_SERVING_H
#define WORKER_SERVING_H

#include "worker/stream_life.h"

/* A piece of a multipart body: text, then bytes of the object. */
struct serving_part {
    struct slice before;
    uint64_t from, to;
};

/* Sets s->reply from s->hit, and what of the body is sent. */
void serving_begin(struct stream *s);

/* The next vectors of the body, about `most` bytes at once; none at its end. */
int serving_next(struct stream *s, struct iovec *iov, int max, size_t most);
/* All of it was handed out. */
bool serving_done(const struct stream *s);

/* The head's lines that are sent. */
struct slice serving_lines(const struct stream *s);

#endif
