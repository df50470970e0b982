/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changes of the parts of a multipart/form-data body (RFC 7578), by the names that their
 * Content-Disposition says. What is renamed keeps its file name and type; what is set is text.
 * Other parts stay as they came; what stands before the first and behind the last goes. Pure.
 */
#ifndef HTTP_MULTIPART_EDIT_H
#define HTTP_MULTIPART_EDIT_H

#include "worker/http/edit.h"

enum { MULTIPART_EDIT_BOUNDARY = 70 };

/* What separates the parts, out of a Content-Type's value. {NULL, 0}: nothing that could, or more
 * than one thing. */
struct slice multipart_edit_boundary(struct slice content_type);

/* An empty text counts as a body without parts. REFUSED: a value holds what separates the parts. */
enum edit_result multipart_edit(struct slice text, struct slice boundary, const struct edits *edits,
                                struct arena *arena, struct slice *out);

#endif
