/* SPDX-License-Identifier: Apache-2.0 */
/* Configured changes (conf/transform.h) as the engines for bodies and queries take them, templates
 * filled in from the request as it came. */
#ifndef PLUGINS_CHANGES_H
#define PLUGINS_CHANGES_H

#include "worker/http/edit.h"
#include "worker/stream.h"

/* What a body is, by its Content-Type and Content-Encoding, as far as it can be changed. */
enum changes_form { CHANGES_NONE, CHANGES_JSON, CHANGES_FORM, CHANGES_MULTIPART };
enum changes_form changes_form(struct slice type, struct slice coding);

/* In the stream's arena. False: no memory. */
bool changes_render(struct stream *s, const struct conf_transform *changes, struct edits *out);

#endif
