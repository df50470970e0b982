/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a body filter makes of stored objects is stored as well, so that it is made once and not for
 * each hit. It is an object of its own that has only a body; the head is always that of the
 * original, which is looked up first: what is stale, purged or replaced there has nothing of this.
 */
#ifndef WORKER_CODED_H
#define WORKER_CODED_H

#include "worker/stream_life.h"

enum { CODED_MARK = 32 };

/* Among the own lines of a stored head: a number that no other body has. Writes CODED_MARK bytes at
 * most; returns the end. */
char *coded_mark(struct stream *s, char *to);
/* That line among the own lines, absent: none. */
struct slice coded_marked(struct slice own);

/* When a stored object is about to be sent, and there are filters: sends what is stored of their
 * work in its place, or sends without them where they want nothing of it. */
void coded_begin(struct stream *s);

/* What filters pass on from here is to be stored: where coded_begin() found nothing. */
void coded_keep(struct stream *s);
/* Some of it, and the end. */
void coded_append(struct stream *s, const struct iovec *iov, int n, bool end);
void coded_abort(struct stream *s);

#endif
