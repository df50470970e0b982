/* SPDX-License-Identifier: Apache-2.0 */
/* A body filter that waits for the whole body, up to a limit, and puts another one in its place. */
#ifndef WORKER_BODY_FILTER_WHOLE_H
#define WORKER_BODY_FILTER_WHOLE_H

#include "worker/body/body_filter.h"

struct body_filter_whole {
    /* As head() of struct body_filter_ops: whether the body of this response is to be replaced, but
     * Content-Length is taken care of. Parts (206) and encoded bodies come here as well; who cannot
     * do anything with a part calls stream_ignore_range() in the access phase. */
    bool (*wanted)(struct stream *s, const void *config, struct reply *reply);
    /* *out is what takes the place of the body: in the arena, constant, or in `body` itself, which
     * may be written to; untouched: the body stays as it was. The head may still be changed. False:
     * no memory, the answer is 500. */
    bool (*replace)(struct stream *s, const void *config, struct slice body, struct slice *out);
    /* A body above the limit: 502 in its place; false: it goes through unchanged. */
    bool refuse;
};

/* From header_filter. `config` lives as long as the configuration, or in the arena. False: no
 * memory. */
bool body_filter_whole_add(struct stream *s, const struct body_filter_whole *ops,
                           const void *config, uint64_t limit);

#endif
