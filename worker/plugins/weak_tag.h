/* SPDX-License-Identifier: Apache-2.0 */
/* The entity tag of a response whose body a plugin makes anew: the weak form of the original's. */
#ifndef PLUGINS_WEAK_TAG_H
#define PLUGINS_WEAK_TAG_H

#include "worker/stream.h"

/* Of a response that was changed. */
void weak_tag_set(struct stream *s);
/* Of a 304: the tag in it is the one that the client holds, the weak one if it was told that and no
 * other, so that it finds what it has stored (RFC 9111 section 4.3.4). */
void weak_tag_answer(struct stream *s);

#endif
