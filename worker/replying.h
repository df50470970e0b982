/* SPDX-License-Identifier: Apache-2.0 */
/* How the head of a response comes about: s->reply. */
#ifndef WORKER_REPLYING_H
#define WORKER_REPLYING_H

#include "worker/stream_life.h"

/* An answer of the gateway's own: without a body where there may be none. */
void replying_own(struct stream *s);
/* An upstream's; begins to store it where it may be. */
void replying_upstream(struct stream *s, const struct head *h);
/* What a cache further up says of itself would stand beside what ours says. */
void replying_leave_out(const struct stream *s, struct head *h);
/* What all heads have in common: plugins' changes and the gateway's own lines. False: a plugin has
 * answered in place of what came. */
bool replying_complete(struct stream *s);

#endif
