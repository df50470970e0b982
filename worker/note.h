/* SPDX-License-Identifier: Apache-2.0 */
/* What a plugin found out in its access phase and needs again in its header_filter: one thing a
 * stream and configuration. */
#ifndef WORKER_NOTE_H
#define WORKER_NOTE_H

#include "worker/stream.h"

/* `what` is in the stream's arena, or lives longer. False: no memory. */
bool note_keep(struct stream *s, const void *config, const void *what);
const void *note_kept(const struct stream *s, const void *config); /* NULL: nothing */

#endif
