/* SPDX-License-Identifier: Apache-2.0 */
/* The stage's side of body filters (body_filter.h): the row of them that a stream's answer goes
 * through. All of it only for streams with s->filters. */
#ifndef WORKER_BODY_FILTER_LIFE_H
#define WORKER_BODY_FILTER_LIFE_H

#include "worker/body/body_filter.h"
#include "worker/stream_life.h"

struct body_filters {
    struct body_filter *first;  /* the source's neighbour */
    struct extra_field *before; /* the response's fields before a filter changed any */
    uint64_t sent;              /* body bytes given to the carrier */
    bool saved, held, closed;   /* `before` is set; the head is a copy; the end was sent */
    /* of what is passed on: where it is stored (coded.h), n 0: nowhere */
    struct slice key;
    uint8_t id[CACHE_ID_SIZE];
    struct cache_fill *fill;
};

/* As carrier->send(), through the filters. */
bool body_filter_send(struct stream *s, bool head, struct iovec *iov, int n, bool end);
/* The source has nothing more right now. False: the client is gone. */
bool body_filter_flush(struct stream *s);
/* The client has its whole answer already: a filter refused the response. */
static inline bool body_filter_closed(const struct stream *s)
{
    return s->filters->closed;
}
/* Whether any of them may change the body. */
static inline bool body_filter_changes(const struct stream *s)
{
    const struct body_filter *f = s->filters->first;

    while (f && f->off)
        f = f->next;
    return f != NULL;
}
/* The response fails. True: nothing of it went out, filters and their changes are gone, the answer
 * may be another one. */
bool body_filter_retract(struct stream *s);
/* Asks the filter what it thinks of the head, if nobody did. */
void body_filter_ask(struct stream *s, struct body_filter *f);
/* None is needed: the answer goes out without them, with the fields that they set. */
void body_filter_drop(struct stream *s);
/* Lets go of what filters hold. */
void body_filter_end(struct stream *s);

#endif
